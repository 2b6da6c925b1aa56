package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"testing"
	"unicode/utf8"
)

// parsedEmail is an email as the parsers of Go's standard library read it.
type parsedEmail struct {
	Header netmail.Header
	Parts  map[string]string // decoded, by media type
}

// strictly parses an email, and reports what RFC 5322, 2045 and 2047 forbid although most programs read it.
func strictly(t *testing.T, raw []byte) parsedEmail {
	t.Helper()
	p := parsedEmail{Parts: map[string]string{}}
	for i, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			t.Errorf("line %d is %d long: %.80q", i+1, len(line), line)
		}
	}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	if i := bytes.IndexFunc(head, func(r rune) bool { return r > '~' || r < ' ' && r != '\r' && r != '\n' && r != '\t' }); i >= 0 {
		t.Errorf("the header has %.20q", head[i:])
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	p.Header = msg.Header
	if _, err := msg.Header.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
	for _, field := range []string{"From", "To"} {
		if _, err := msg.Header.AddressList(field); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, field := range []string{"From", "To", "Subject", "Date", "Message-Id", "Mime-Version", "Content-Type"} {
		if len(msg.Header[field]) != 1 {
			t.Errorf("%s is there %d times", field, len(msg.Header[field]))
		}
	}
	if err := p.read(textproto.MIMEHeader(msg.Header), msg.Body); err != nil {
		t.Errorf("%v in\n%s", err, raw)
	}
	return p
}

// read reads a part and those in it.
func (p *parsedEmail) read(h textproto.MIMEHeader, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", h.Get("Content-Type"), err)
	}
	if params["boundary"] != "" {
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = p.read(part.Header, part)
			}
			if err != nil {
				return err
			}
		}
	}
	switch encoding := h.Get("Content-Transfer-Encoding"); encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "", "7bit":
	default:
		return fmt.Errorf("%s has the encoding %q", kind, encoding)
	}
	text, err := io.ReadAll(body)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", kind, err)
	case !utf8.Valid(text) || params["charset"] != "utf-8":
		return fmt.Errorf("%s in %q is not UTF-8", kind, params["charset"])
	case p.Parts[kind] != "":
		return fmt.Errorf("a second %s", kind)
	}
	p.Parts[kind] = string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	return nil
}
