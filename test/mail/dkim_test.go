package mail

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const recordName = "bell._domainkey.hill.example"

func TestDKIM(t *testing.T) {
	t.Parallel()
	_, edwards, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(big.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		key    crypto.Signer
		record string
	}{
		{"ed25519", edwards, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edwards.Public().(ed25519.PublicKey))},
		{"rsa", big, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			email := signedEmail(t, c.key)
			f := examine(t, email, c.record)
			if len(f.Signatures) != 1 || f.Signatures[0] != (signature{"pass", "hill.example", "hill.example", c.name + "-sha256", ""}) {
				t.Errorf("signatures %+v of\n%s", f.Signatures, email)
			}
			e := f.Email
			if e.From.Address != "office@hill.example" || e.From.Name != "Schule Höhe" || len(e.To) != 1 || e.To[0].Address != system.Address(0) ||
				!strings.Contains(e.Subject, title) || !strings.Contains(e.Text, "Grüße,\n.dot at the start\nend") || !strings.Contains(e.HTML, "Grüße") || !strings.HasSuffix(e.MessageID, "@hill.example>") {
				t.Errorf("another parser reads %+v", e)
			}
			changed := bytes.Replace(email, []byte("dot at the start"), []byte("dot at the end"), 1)
			if f := examine(t, changed, c.record); len(f.Signatures) != 1 || f.Signatures[0].Result == "pass" {
				t.Errorf("a changed email passes: %+v", f.Signatures)
			}
			for _, field := range []string{"List-Unsubscribe", "List-Unsubscribe-Post"} {
				if header := headers(t, email); len(header[field]) != 1 || !signs(header, field) {
					t.Errorf("%s is %q, and the signature is %q", field, header[field], header.Get("DKIM-Signature"))
				}
			}
			for _, link := range []string{"List-Unsubscribe: <https://other.example/>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"} {
				if f := examine(t, append([]byte(link+"\r\n"), email...), c.record); len(f.Signatures) != 1 || f.Signatures[0].Result == "pass" {
					t.Errorf("an email with a second %s passes: %+v", link, f.Signatures)
				}
			}
			moved := bytes.Replace(email, []byte("List-Unsubscribe: <https://bell.hill.example/"), []byte("List-Unsubscribe: <https://evil.example/"), 1)
			if f := examine(t, moved, c.record); len(f.Signatures) != 1 || f.Signatures[0].Result == "pass" {
				t.Errorf("an email with another link passes: %+v", f.Signatures)
			}
			if f := examine(t, append([]byte("Subject: pay here\r\n"), email...), c.record); len(f.Signatures) != 1 || f.Signatures[0].Result == "pass" {
				t.Errorf("an email with a second subject passes: %+v", f.Signatures)
			}
		})
	}
}

const title = "Schule fällt aus: Sturmwarnung für den ganzen Landkreis, alle Klassen bleiben zu Hause"

// signedEmail runs the program and returns an email that it has sent.
func signedEmail(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	catcher := startCatcher(t)
	s := system.New(t, system.Parts{SMTP: catcher.Addr(), Settings: []string{"EMAIL_FROM=Schule Höhe <office@hill.example>", "SCHOOL_NAME=Schule Höhe",
		"PUBLIC_URL=https://bell.hill.example", "DKIM_DOMAIN=hill.example", "DKIM_SELECTOR=bell", "DKIM_KEY_FILE=" + keyFile(t, key)}})
	serve := s.Serve()
	s.AwaitReady()
	s.Import(1)
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: title, Body: "Grüße,\n.dot at the start\nend ",
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(0)}}}, Channels: []schoolbell.Channel{schoolbell.ChannelEmail}})
	if err != nil {
		t.Fatal(err)
	}
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	serve.Stop()
	if strings.Contains(serve.Output(), "PRIVATE KEY") {
		t.Error("the log has the key")
	}
	kept := catcher.Messages(10)
	if len(kept) != 1 {
		t.Fatalf("%d emails were sent", len(kept))
	}
	email, _ := catcher.Message(kept[0].ID)
	return email.Raw
}

func startCatcher(t *testing.T) *embedded.MailCatcher {
	t.Helper()
	catcher, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{KeepBodies: 10})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- catcher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return catcher
}

func keyFile(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dkim.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// headers are those of an email.
func headers(t *testing.T, email []byte) netmail.Header {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(email))
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header
}

// signs reports whether the signature of an email names a header, twice: so that nobody can add another one.
func signs(header netmail.Header, name string) bool {
	named := regexp.MustCompile(`\bh=([^;]*)`).FindStringSubmatch(header.Get("DKIM-Signature"))
	n := 0
	for field := range strings.SplitSeq(strings.Join(named[1:], ""), ":") {
		if strings.EqualFold(strings.Join(strings.Fields(field), ""), name) {
			n++
		}
	}
	return n == 2
}

// findings is what verify.mjs writes.
type findings struct {
	Signatures []signature
	Calendars  []calendarFile
	Email      struct {
		From                           mailbox
		To                             []mailbox
		Subject, Text, HTML, MessageID string
	}
}

// calendarFile is an attachment with events.
type calendarFile struct {
	File, Disposition, Method, ObjectMethod string
	Name, Refresh                           string // of a feed
	Events                                  []calendarEvent
}

type calendarEvent struct {
	UID, Summary, Text, Location, Start, End, Status string
	Sequence                                         int
	Properties                                       []string
}

type signature struct{ Result, Aligned, Domain, Algorithm, Comment string }

type mailbox struct{ Name, Address string }

// examine has other programs look at an email. The record is the only one in DNS.
func examine(t *testing.T, email []byte, record string) (f findings) {
	t.Helper()
	ask(t, &f, email, "verify.mjs", recordName, record)
	return f
}

// ask has a program of this folder read an input, and decodes what it says.
func ask(t *testing.T, answer any, input []byte, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Node(t, "."), append([]string{program}, args...)...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}
