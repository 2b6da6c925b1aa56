package email

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/address"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func compose(t testing.TB, m schoolbell.Message) []byte {
	t.Helper()
	c, err := NewComposer("Schule Höhe <office@hill.example>", "\"Sekretariat, Raum 5\" <desk@hill.example>")
	if err != nil {
		t.Fatal(err)
	}
	to, err := Recipient(&m)
	if err != nil {
		t.Fatal(err)
	}
	return c.Append(nil, &m, to, noon)
}

func TestComposeGolden(t *testing.T) {
	t.Parallel()
	m := message("ada@example.org", 42)
	m.ToName = "Ada Lovelace"
	m.Text = schoolbell.Plain("Hello Ada,\n\n.dot, trailing space \nGrüße = greetings\n" + strings.Repeat("a long line ", 20) + "\n")
	m.HTML = schoolbell.Plain("<p style=\"color:#1f2933\">Grüße</p>\r\n")
	m.Unsubscribe = "https://bell.hill.example/unsubscribe/token"
	plain := message("ada@example.org", 43)
	plain.Subject, plain.HTML = "[Urgent] Schule fällt aus: "+strings.Repeat("größer ", 15), schoolbell.Content{}
	withCalendar := plain
	withCalendar.Calendar, withCalendar.CalendarMethod = schoolbell.Plain("BEGIN:VCALENDAR\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n"), "PUBLISH"
	for name, m := range map[string]schoolbell.Message{"alternative": m, "plain": plain, "calendar": withCalendar} {
		got := compose(t, m)
		path := filepath.Join("testdata", name+".eml")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// fataler is what tests, fuzzing and property tests have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// mailOf reads a mail back with the standard library, which is not ours.
type mailOf struct {
	Header     netmail.Header
	To         netmail.Address
	Subject    string
	Text, HTML string
	Calendar   string
}

func parse(t fataler, raw []byte) mailOf {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	out := mailOf{Header: msg.Header}
	to, err := msg.Header.AddressList("To")
	if err != nil || len(to) != 1 {
		t.Fatalf("To: %v, %v in\n%s", to, err, raw)
	}
	out.To = *to[0]
	if out.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	out.part(t, raw, msg.Header.Get("Content-Type"), quotedprintable.NewReader(msg.Body), msg.Body)
	return out
}

// part reads a part, of which decoded is the text. whole is the mail.
func (out *mailOf) part(t fataler, whole []byte, contentType string, decoded, raw io.Reader) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		body, err := io.ReadAll(decoded)
		if err != nil {
			t.Fatal(err)
		}
		*map[string]*string{"text/html": &out.HTML, "text/plain": &out.Text, "text/calendar": &out.Calendar}[kind] = string(body)
		return
	}
	for parts := multipart.NewReader(raw, params["boundary"]); ; {
		p, err := parts.NextPart() // decodes quoted-printable
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, whole)
		}
		out.part(t, whole, p.Header.Get("Content-Type"), p, p)
	}
}

// crlf is a text as it stands in a mail: every line end is CRLF.
func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func FuzzCompose(f *testing.F) {
	f.Add("Ada Lovelace", "Sports day", "Hello\n.\n", "<p>=20 \t\n</p>", "ada@example.org", "en", "1.2", "https://bell.example/unsubscribe/x")
	f.Add("\"quote\\", "=?utf-8?q?x?=", "\r\n--=_schoolbell--\r\n", "", "a@b.example", "", "x", "http://bell.example/")
	f.Add("a\r\nBcc: evil@x.example", "a\nb", "\r", "\x00", "a@b.example>\r\nX: y", "de\r\n", "1>\r\nX: y", "https://x>\r\nBcc: <y")
	f.Add("  sp  ace  ", strings.Repeat("ü", 100), strings.Repeat("x", 200)+" \n", strings.Repeat("=", 80), "ü@ö.example", "pt-BR", "..", "")
	c, err := NewComposer("office@hill.example", "")
	if err != nil {
		f.Fatal(err)
	}
	allowed := map[string]bool{"Date": true, "From": true, "To": true, "Subject": true, "Message-Id": true, "Auto-Submitted": true,
		"X-Schoolbell-Event": true, "Content-Language": true, "Mime-Version": true, "Content-Type": true, "Content-Transfer-Encoding": true,
		"List-Unsubscribe": true, "List-Unsubscribe-Post": true}
	f.Fuzz(func(t *testing.T, name, subject, text, html, to, locale, id, leave string) {
		m := schoolbell.Message{ID: id, EventID: id, To: to, ToName: name, Subject: subject, Text: schoolbell.Plain(text), HTML: schoolbell.Plain(html), Locale: locale, Unsubscribe: leave}
		addr, err := Recipient(&m)
		if err != nil {
			return
		}
		if at := strings.LastIndexByte(to, '@'); !strings.HasPrefix(addr, to[:at+1]) || !address.IsASCII(addr[at+1:]) || address.IsASCII(to) && addr != to {
			t.Errorf("%q is written %q", to, addr)
		}
		raw := c.Append(nil, &m, addr, noon)
		for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("line %q", line)
			}
		}
		got := parse(t, raw)
		for field, values := range got.Header {
			if !allowed[field] || len(values) != 1 {
				t.Errorf("header %s: %q", field, values)
			}
		}
		if got.To.Address != addr || got.To.Name != name || got.Subject != subject {
			t.Errorf("to %q <%s>, subject %q; want %q <%s>, %q", got.To.Name, got.To.Address, got.Subject, name, addr, subject)
		}
		if got.Header.Get("Message-Id") != "<"+id+"@hill.example>" {
			t.Errorf("Message-ID %q", got.Header.Get("Message-Id"))
		}
		if l := got.Header.Get("List-Unsubscribe"); leave != "" && l != "<"+leave+">" || strings.HasPrefix(leave, "https://") != (got.Header.Get("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click") {
			t.Errorf("List-Unsubscribe %q of %q", l, leave)
		}
		if got.Text != crlf(text) || got.HTML != crlf(html) {
			t.Errorf("text %q, HTML %q; want %q, %q", got.Text, got.HTML, crlf(text), crlf(html))
		}
	})
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "a", "a \n", strings.Repeat("x", 75) + " ", strings.Repeat("x", 74) + "ü\n", strings.Repeat("é", 60), "\t\r\n.\r\n", "a\rb", strings.Repeat(" ", 77)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		isQuoted(t, s, appendQuoted(nil, s))
	})
}

// isQuoted holds enc to being s as quoted-printable.
func isQuoted(t *testing.T, s string, enc []byte) {
	t.Helper()
	for line := range strings.SplitSeq(string(enc), "\r\n") {
		if len(line) > maxLine || strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") || strings.ContainsFunc(line, func(c rune) bool {
			return c != '\t' && (c < ' ' || c > '~')
		}) {
			t.Errorf("%q has the line %q", s, line)
		}
	}
	dec, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(enc)))
	if err != nil || string(dec) != crlf(s) {
		t.Errorf("%q became %q (%v)", s, dec, err)
	}
}

// Bytes are looked at eight at a time; each kind of byte has to be seen wherever
// it stands among its neighbours.
func TestQuoted(t *testing.T) {
	t.Parallel()
	edges := []byte{0x00, '\t', 0x1f, ' ', '<', '=', '>', '~', 0x7f, 0x80, 0x9f, 0xa0, 0xfe, 0xff}
	for c := range 256 {
		for before := range 9 {
			for _, next := range edges {
				s := strings.Repeat("x", before) + string([]byte{byte(c), next}) + strings.Repeat("x", 16)
				isQuoted(t, s, appendQuoted(nil, s))
			}
		}
	}
}

func BenchmarkCompose(b *testing.B) {
	m := message("ada@example.org", 42)
	html, err := os.ReadFile("../../render/testdata/event.email.html")
	if err != nil {
		b.Fatal(err)
	}
	m.HTML, m.Text = schoolbell.Plain(string(html)), schoolbell.Plain(strings.Repeat("Because of the weather, sports day moves to Friday.\n", 12))
	c, err := NewComposer("office@hill.example", "")
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	cpu := cpuTime(b) // which other work on the machine does not change
	for b.Loop() {
		to, err := Recipient(&m)
		if err != nil {
			b.Fatal(err)
		}
		buf = c.Append(buf[:0], &m, to, noon)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/mail")
}
