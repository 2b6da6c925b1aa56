package fake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"sync"
)

// keptEmails is how many of the newest emails a fake keeps.
const keptEmails = 1000

// Email is an email that a fake accepted.
type Email struct {
	ID      string // that the provider gave it
	Token   string // of the message
	To      string
	From    string
	Subject string // decoded
	Text    string
	HTML    string

	Calendar string // the event in an attachment; empty for none

	Header mail.Header // as the recipient would get it

	messageID string // that its sender gave it
	events    bool   // are published
}

// emails are those that a fake accepted. It is safe for concurrent use.
type emails struct {
	mu   sync.Mutex
	kept []Email
}

func (e *emails) keep(m Email) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept[max(0, len(e.kept)+1-keptEmails):], m)
}

// Emails returns the newest emails, as their recipients would get them, oldest first.
func (e *emails) Emails() []Email {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.kept)
}

// latest returns the newest email with a token.
func (e *emails) latest(token string) (Email, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range slices.Backward(e.kept) {
		if m.Token == token {
			return m, nil
		}
	}
	return Email{}, fmt.Errorf("no email has the token %s", token)
}

// parseEmail parses a whole email as strictly as a provider may.
func parseEmail(raw []byte) (Email, error) {
	for i, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			return Email{}, fmt.Errorf("line %d is too long or has a single CR or LF", i+1)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Email{}, fmt.Errorf("the header cannot be parsed: %w", err)
	}
	e := Email{Header: m.Header}
	if e.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return e, fmt.Errorf("the subject cannot be decoded: %w", err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 {
		return e, errors.New("the field From must be one address")
	}
	e.From = from[0].Address
	if _, err := m.Header.Date(); err != nil {
		return e, fmt.Errorf("the date cannot be parsed: %w", err)
	}
	return e, e.parsePart(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
}

// parsePart keeps the first text and the first HTML.
func (e *Email) parsePart(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("the content type cannot be parsed: %w", err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		return e.parseParts(multipart.NewReader(body, params["boundary"]))
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("part %s cannot be decoded: %w", kind, err)
	}
	switch {
	case kind == "text/plain" && e.Text == "":
		e.Text = string(text)
	case kind == "text/html" && e.HTML == "":
		e.HTML = string(text)
	case kind == "text/calendar" && e.Calendar == "":
		e.Calendar = string(text)
	}
	return nil
}

func (e *Email) parseParts(parts *multipart.Reader) error {
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the parts cannot be read: %w", err)
		}
		if err := e.parsePart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); err != nil {
			return err
		}
	}
}
