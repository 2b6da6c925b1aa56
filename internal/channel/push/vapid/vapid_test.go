package vapid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
)

func newTestKey(t *testing.T) (k *Key, private string) {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if private, err = k.Private(); err != nil {
		t.Fatal(err)
	}
	return k, private
}

func TestKey(t *testing.T) {
	t.Parallel()
	k, private := newTestKey(t)
	other, _ := newTestKey(t)
	if len(k.Public()) != 87 || len(private) != 43 || k.Public() == other.Public() {
		t.Errorf("%q, %q", k.Public(), private)
	}
	for _, end := range []string{"", "="} {
		same, err := ParseKey(k.Public()+end, private+end)
		if err != nil || same.Public() != k.Public() {
			t.Errorf("a pair that was written is not read: %v", err)
		}
	}
	for name, pair := range map[string][2]string{
		"another public key":     {other.Public(), private},
		"no public key":          {"", private},
		"no private key":         {k.Public(), ""},
		"swapped":                {private, k.Public()},
		"not base64":             {k.Public(), "secret secret secret"},
		"a number out of bounds": {k.Public(), encoding.EncodeToString([]byte(strings.Repeat("\xff", 32)))},
		"zero":                   {k.Public(), encoding.EncodeToString(make([]byte, 32))},
	} {
		_, err := ParseKey(pair[0], pair[1])
		if err == nil || pair[1] != "" && strings.Contains(err.Error(), pair[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]bool{
		"mailto:office@hill.example": true, "https://hill.example": true, "https://hill.example/contact": true,
		"": false, "office@hill.example": false, "mailto:": false, "mailto:office": false, "mailto:Office <office@hill.example>": false,
		"http://hill.example": false, "https://": false, "https://user@hill.example": false, "tel:123": false, "mailto:a@b.example\n": false,
		"mailto:admin@localhost": false, "https://localhost": false, "https://printer.local": false, "mailto:a@x.invalid": false, "https://x.LOCALHOST": false,
	} {
		if err := CheckSubject(subject); (err == nil) != want {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	k, _ := newTestKey(t)
	now := time.Date(2026, 12, 4, 8, 0, 0, 0, time.UTC)
	tokens := NewTokens(k, "mailto:office@hill.example")
	tokens.now = func() time.Time { return now }
	authorization := func(origin string) string {
		t.Helper()
		text, err := tokens.Authorization(origin)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := authorization("https://push.example")
	claims := verified(t, first, k)
	if claims["aud"] != "https://push.example" || claims["sub"] != "mailto:office@hill.example" || claims["exp"] != float64(now.Add(12*time.Hour).Unix()) {
		t.Errorf("claims %v", claims)
	}
	now = now.Add(10 * time.Hour)
	if authorization("https://push.example") != first {
		t.Error("a token that is valid was not used again")
	}
	if authorization("https://other.example") == first {
		t.Error("two push services get the same token")
	}
	now = now.Add(time.Hour + time.Second)
	second := authorization("https://push.example")
	if second == first || verified(t, second, k)["exp"] != float64(now.Add(12*time.Hour).Unix()) {
		t.Error("a token that ends soon was used again")
	}
	tokens.Forget("https://push.example")
	if authorization("https://push.example") == second {
		t.Error("a token that was refused was used again")
	}
	for n := range maxOrigins + 10 {
		authorization("https://push.example:" + big.NewInt(int64(n)).String())
	}
	if len(tokens.known) > maxOrigins {
		t.Errorf("%d tokens are kept", len(tokens.known))
	}
}

// verified returns the claims of a header Authorization, whose signature it checks.
func verified(t *testing.T, header string, k *Key) map[string]any {
	t.Helper()
	text, ok := strings.CutPrefix(header, "vapid t=")
	token, key, found := strings.Cut(text, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !found || key != k.Public() || len(parts) != 3 {
		t.Fatalf("header %q", header)
	}
	decode := func(s string) []byte {
		b, err := encoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), decode(key))
	if err != nil {
		t.Fatal(err)
	}
	signature := decode(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(signature) != 64 || !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Fatal("the signature is wrong")
	}
	if head := string(decode(parts[0])); head != `{"typ":"JWT","alg":"ES256"}` {
		t.Errorf("header %s", head)
	}
	var claims map[string]any
	if err := json.Unmarshal(decode(parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
