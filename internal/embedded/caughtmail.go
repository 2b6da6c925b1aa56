package embedded

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// maxParts bounds how deep and how far Parts looks into a message.
const maxParts = 50

// CaughtMail is one mail as the catcher took it.
type CaughtMail struct {
	ID        string // the catcher's own number for it: 1, 2, 3 …
	At        time.Time
	From      string   // envelope sender, without angle brackets
	To        []string // envelope recipients; not to be changed
	MessageID string   // with its angle brackets; empty if it had none
	Subject   string   // decoded
	Size      int      // bytes as sent, less dot-stuffing
	Raw       []byte   // the whole message; not to be changed
}

func (m *CaughtMail) readHeader() {
	m.Size = len(m.Raw)
	m.MessageID = string(headerValue(m.Raw, "Message-ID"))
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return // no subject, then: the catcher takes whatever comes
	}
	m.Subject = decodeHeader(msg.Header.Get("Subject"))
}

// Parts returns the decoded text and HTML of the mail, each empty if it has none.
func (m CaughtMail) Parts() (text, html string, err error) {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return "", "", fmt.Errorf("read the header of mail %s: %w", m.ID, err)
	}
	left := maxParts
	err = readPart(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, &left, func(kind, body string) {
		switch {
		case kind == "text/plain" && text == "":
			text = body
		case kind == "text/html" && html == "":
			html = body
		}
	})
	if err != nil {
		return text, html, fmt.Errorf("read the body of mail %s: %w", m.ID, err)
	}
	return text, html, nil
}

func readPart(contentType, encoding string, r io.Reader, left *int, found func(kind, body string)) error {
	if *left--; *left < 0 {
		return fmt.Errorf("more than %d parts", maxParts)
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain" // RFC 2045 §5.2
	}
	if !strings.HasPrefix(kind, "multipart/") {
		body, err := io.ReadAll(decodeTransfer(encoding, r))
		found(kind, string(body))
		return err
	}
	for parts := multipart.NewReader(r, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := readPart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, left, found); err != nil {
			return err
		}
	}
}

func decodeTransfer(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	}
	return r
}

func decodeHeader(s string) string {
	if out, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		return out
	}
	return s
}
