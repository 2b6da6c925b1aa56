package signing_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"schoolbell/internal/channel/email/signing"
)

const email = "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nFrom: \"Hill School\" <office@hill.example>\r\nTo: ada@example.org\r\n" +
	"Subject: School is\r\n closed\r\nMessage-ID: <e.1@hill.example>\r\nAuto-Submitted: auto-generated\r\nContent-Language: en\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHello Ada,\r\n\r\nbye \r\n"

// shortKey is a key of RSA with 512 bits.
const shortKey = `-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBALbYf0I0JRB/eCLF3DvTXlok7rn56UOf7ZjZjeSo47pB6a5l1ldu
9CbTf0TsyL4ebTiiWBIU/6ec6Cb1Gy1+INUCAwEAAQJBAK8QgmfEvWgaY9AHWWH+
cmwkyF1QJkMVMMwUIIM6ITAGpXjkQYwu0haIsuf6XJq21oZFpoApGa11BSyS01GL
6AECIQDb3fCjUPMf2WyZnv6PVinuFFzbnWAGfdXZ4eC3dpFjVQIhANTlB4H53g/Y
gxtvAtlxzD+S3cIEdvw8smayhDnJ9MeBAiAvDUL3IFa3RSdZhM4DTLQycAcjNH2d
Rgai1xTpDiW09QIhANElWtXOoeARROOrkDIMQKpn3uFev4GXI3AOiiW3iHiBAiAJ
UvVSoxX8TeQJCIH3xfY2JLfLPoCVujDhnG1eTTgrkg==
-----END RSA PRIVATE KEY-----
`

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return inPEM("PRIVATE KEY", der)
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func signer(t testing.TB, key string) *signing.Signer {
	t.Helper()
	parsed, err := signing.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.New("Hill.example", "bell", parsed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify returns the error with which the library rejects the signature of an email.
func verify(t *testing.T, s *signing.Signer, email string) error {
	t.Helper()
	found, err := dkim.VerifyWithOptions(strings.NewReader(email), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name != "bell._domainkey.hill.example" {
			return nil, fmt.Errorf("unexpected name %s", name)
		}
		return []string{s.Record()}, nil
	}})
	if err != nil || len(found) != 1 || found[0].Domain != "hill.example" {
		t.Fatalf("%+v, %v", found, err)
	}
	return found[0].Err
}

func TestSign(t *testing.T) {
	t.Parallel()
	_, edwards, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	big := rsaKey(t, 2048)
	for name, key := range map[string]string{
		"Ed25519": pkcs8(t, edwards), "RSA in PKCS 8": pkcs8(t, big), "RSA in PKCS 1": inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(big)),
	} {
		t.Run(name, func(t *testing.T) {
			s := signer(t, key)
			header, err := s.Header([]byte(email))
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(t, s, header+email); err != nil {
				t.Errorf("the signature does not verify: %v\n%s", err, header)
			}
			for line := range strings.SplitSeq(header, "\r\n") {
				if len(line) > 998 {
					t.Errorf("a line has %d characters", len(line))
				}
			}
			for _, added := range []string{"From: <eve@evil.example>", "To: eve@evil.example", "Subject: pay here", "Reply-To: eve@evil.example",
				"Content-Type: text/html", "List-Unsubscribe: <https://evil.example/>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"} {
				if verify(t, s, header+added+"\r\n"+email) == nil {
					t.Errorf("the signature holds with another header: %s", added)
				}
			}
			if verify(t, s, header+strings.Replace(email, "bye", "buy", 1)) == nil {
				t.Error("the signature holds for another text")
			}
		})
	}
}

func TestSignUnsubscribe(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := signer(t, pkcs8(t, key))
	withLinks := "List-Unsubscribe: <https://hill.example/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + email
	header, err := s.Header([]byte(withLinks))
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, s, header+withLinks); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	if verify(t, s, header+strings.Replace(withLinks, "/u/x", "/u/y", 1)) == nil {
		t.Error("the signature holds for another link")
	}
}

// TestRecord uses the key of RFC 8463, appendix A.
func TestRecord(t *testing.T) {
	t.Parallel()
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	if err != nil {
		t.Fatal(err)
	}
	s := signer(t, pkcs8(t, ed25519.NewKeyFromSeed(seed)))
	if got, want := s.RecordName(), "bell._domainkey.hill.example"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	const want = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	if got := s.Record(); got != want {
		t.Errorf("record %q, want %q", got, want)
	}
	for record, is := range map[string]bool{
		want: true, "k=ed25519; p = 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlr wIaaPcHURo=; t=s": true, "v=DKIM1; p=": false, "v=spf1 -all": false,
	} {
		if s.Published(record) != is {
			t.Errorf("%q has the key: %v, want %v", record, !is, is)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(curve.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ key, want string }{
		"no key":           {"", "in PEM"},
		"no PEM":           {"c2VjcmV0LXNlY3JldA==", "in PEM"},
		"a public key":     {inPEM("PUBLIC KEY", public), "not the public one"},
		"another curve":    {pkcs8(t, curve), "RSA or Ed25519"},
		"a locked key":     {inPEM("ENCRYPTED PRIVATE KEY", []byte("secret-secret")), "encrypted"},
		"a damaged key":    {inPEM("PRIVATE KEY", []byte("secret-secret")), "damaged"},
		"a short RSA key":  {shortKey, "has 512 bits"},
		"other parameters": {inPEM("EC PARAMETERS", []byte("secret-secret")), "RSA or Ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signing.ParseKey(c.key)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if c.key != "" && strings.Contains(err.Error(), strings.TrimSpace(c.key)) || strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
	if _, err := signing.ParseKey(inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey(t, 1024)))); err != nil {
		t.Errorf("1,024 bits: %v", err)
	}
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	for selector, ok := range map[string]bool{"bell": true, "2026-bell.eu": true, "": false, "a b": false, "a;b": false, "-a": false, "a..b": false, strings.Repeat("a", 64): false} {
		if err := signing.CheckSelector(selector); (err == nil) != ok {
			t.Errorf("selector %q: %v", selector, err)
		}
	}
}

// BenchmarkHeader measures what a signature costs: it is most of the work that an email takes.
func BenchmarkHeader(b *testing.B) {
	_, edwards, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	text := append([]byte(email), bytes.Repeat([]byte("A line of the text of an email.\r\n"), 100)...)
	for _, c := range []struct {
		name string
		key  crypto.Signer
	}{{"ed25519", edwards}, {"rsa2048", rsaKey(b, 2048)}} {
		b.Run(c.name, func(b *testing.B) {
			s := signer(b, pkcs8(b, c.key))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Header(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
