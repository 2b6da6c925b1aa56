package email

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/internal/address"
)

// boundary parts the bodies. No quoted-printable line contains "=_", so that
// one boundary does for every mail.
const boundary = "=_schoolbell"

// outerBoundary parts the bodies from an attachment. Neither boundary begins with the other.
const outerBoundary = "=_mixed"

const (
	maxLine  = 76  // of encoded text, RFC 2045 §6.7
	maxPlain = 900 // of a header value that is not folded; RFC 5322 §2.1.1 allows 998
)

// Composer writes messages as emails (RFC 5322, MIME, RFC 6532 for addresses
// beyond ASCII). It holds what all emails share, and is safe for concurrent use.
type Composer struct {
	sender string // bare address: the envelope's sender
	domain string // for Message-IDs
	head   string // From and Reply-To, ready
}

// NewComposer returns a composer of emails from an address such as "Hill School <office@hill.example>". replyTo is
// one too, or empty.
func NewComposer(from, replyTo string) (*Composer, error) {
	addr, err := ParseSender("email_from", from)
	if err != nil {
		return nil, err
	}
	c := &Composer{sender: addr.Address, domain: addr.Address[strings.LastIndexByte(addr.Address, '@')+1:]}
	b := appendMailbox([]byte("From: "), addr.Name, addr.Address)
	if replyTo != "" {
		reply, err := ParseSender("email_reply_to", replyTo)
		if err != nil {
			return nil, err
		}
		b = appendMailbox(append(b, "Reply-To: "...), reply.Name, reply.Address)
	}
	c.head = string(b)
	return c, nil
}

// Sender returns the bare address that emails are from, its domain in ASCII.
func (c *Composer) Sender() string { return c.sender }

// MessageID returns the Message-ID of m, with its angle brackets. It is the same for every try.
func (c *Composer) MessageID(m *schoolbell.Message) string { return "<" + m.ID + "@" + c.domain + ">" }

// ParseSender parses an address that emails may be from. Its domain is in ASCII then. The error names the field.
func ParseSender(field, s string) (*mail.Address, error) {
	addr, err := mail.ParseAddress(s)
	if err == nil {
		err = errors.Join(schoolbell.ValidateSender(addr.Address), checkLine("name", addr.Name))
	}
	if err == nil {
		addr.Address, err = address.Wire(addr.Address)
	}
	if err != nil {
		return nil, &schoolbell.Error{Code: schoolbell.CodeInvalid, Field: field, Message: "must be an address such as Hill School <office@hill.example>", Err: err}
	}
	return addr, nil
}

// Recipient returns the address that m goes to, as it is written in an email: its domain is in ASCII. The error is
// the reason why m can never be an email; it has nothing personal.
func Recipient(m *schoolbell.Message) (to string, err error) {
	if err := schoolbell.ValidateEmail(m.To); err != nil {
		return "", fmt.Errorf("address %w", err)
	}
	if err := checkText(m); err != nil {
		return "", err
	}
	return address.Wire(m.To)
}

func checkText(m *schoolbell.Message) error {
	if !isToken(m.ID) {
		return errors.New("message id is not a token")
	}
	if err := checkLine("name", m.ToName); err != nil {
		return err
	}
	if err := checkLine("subject", m.Subject); err != nil {
		return err
	}
	if m.EventID != "" && !isToken(m.EventID) {
		return errors.New("event id is not a token")
	}
	if m.Locale != "" && !isToken(m.Locale) {
		return errors.New("locale is not a token")
	}
	if !isFieldURL(m.Unsubscribe) {
		return errors.New("unsubscribe link cannot stand in a header")
	}
	if m.CalendarMethod != "" && !isToken(m.CalendarMethod) {
		return errors.New("calendar method is not a token")
	}
	if m.Text.Len()+m.HTML.Len() == 0 {
		return errors.New("message is empty")
	}
	return nil
}

func checkLine(name, s string) error {
	if len(s) > maxPlain || !schoolbell.IsLine(s) {
		return fmt.Errorf("%s is not one short line of text", name)
	}
	return nil
}

// isToken reports whether s is up to 200 characters that mean themselves in any header.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune(".-_+~", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= 200 && s[0] != '.' && s[len(s)-1] != '.' && !strings.Contains(s, "..")
}

// Append appends m to b as an email to the address that Recipient returned for it, written
// at now. Lines end with CRLF.
func (c *Composer) Append(b []byte, m *schoolbell.Message, to string, now time.Time) []byte {
	b = append(b, "Date: "...)
	b = now.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 +0000")
	b = append(append(b, "\r\n"...), c.head...)
	b = appendMailbox(append(b, "To: "...), m.ToName, to)
	b = appendText(append(b, "Subject: "...), m.Subject, len("Subject: "))
	b = appendField(b, "\r\nMessage-ID: <", m.ID, "@", c.domain, ">\r\nAuto-Submitted: auto-generated\r\n")
	if m.EventID != "" {
		b = appendField(b, "X-Schoolbell-Event: ", m.EventID, "\r\n")
	}
	if m.Locale != "" {
		b = appendField(b, "Content-Language: ", m.Locale, "\r\n")
	}
	for _, field := range UnsubscribeFields(m) {
		b = appendField(b, field.Name, ": ", field.Value, "\r\n")
	}
	b = append(b, "MIME-Version: 1.0\r\n"...)
	if m.Calendar.Shared == nil {
		return appendBody(b, m)
	}
	b = append(b, "Content-Type: multipart/mixed;\r\n boundary=\""+outerBoundary+"\"\r\n\r\n--"+outerBoundary+"\r\n"...)
	b = appendBody(b, m)
	b = append(b, "\r\n--"+outerBoundary+"\r\n"...)
	b = appendCalendar(b, m)
	return append(b, "\r\n--"+outerBoundary+"--\r\n"...)
}

// appendBody appends the texts of m with their headers.
func appendBody(b []byte, m *schoolbell.Message) []byte {
	switch {
	case m.HTML.Shared == nil:
		return appendPart(b, "plain", m.Text)
	case m.Text.Shared == nil:
		return appendPart(b, "html", m.HTML)
	}
	b = append(b, "Content-Type: multipart/alternative;\r\n boundary=\""+boundary+"\"\r\n\r\n--"+boundary+"\r\n"...)
	b = appendPart(b, "plain", m.Text)
	b = append(b, "\r\n--"+boundary+"\r\n"...)
	b = appendPart(b, "html", m.HTML)
	return append(b, "\r\n--"+boundary+"--\r\n"...)
}

func appendField(b []byte, parts ...string) []byte {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func appendPart(b []byte, subtype string, text schoolbell.Content) []byte {
	b = appendField(b, "Content-Type: text/", subtype, "; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	return appendContent(b, text)
}

// appendMailbox appends a display name and an address, and ends the line.
func appendMailbox(b []byte, name, address string) []byte {
	switch {
	case name == "":
		return appendField(b, address, "\r\n")
	case isPlain(name) && len(name) < 60:
		b = append(b, '"')
		for _, c := range []byte(name) {
			if c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		b = append(b, '"')
	default:
		b = appendWords(b, name)
	}
	before := "\r\n <"
	if isPlain(name) && len(name)+len(address) < 60 {
		before = " <"
	}
	return appendField(b, before, address, ">\r\n")
}

// appendText appends unstructured text, folded where it is long; used is the
// length of its line so far.
func appendText(b []byte, s string, used int) []byte {
	if !isPlain(s) {
		return appendWords(b, s)
	}
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			if used+1+len(word) > maxLine {
				b, used = append(b, "\r\n"...), 0
			}
			b = append(b, ' ')
			used++
		}
		b = append(b, word...)
		used += len(word)
	}
	return b
}

// isPlain reports whether s can stand in a header as it is: ASCII without runs
// of spaces, which folding could lose, and without anything that reads as encoded.
func isPlain(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return !strings.Contains(s, "  ") && !strings.Contains(s, "=?") && strings.TrimSpace(s) == s
}

// appendWords appends s as encoded words (RFC 2047), one a line, no character
// torn apart.
func appendWords(b []byte, s string) []byte {
	const most = 42 // bytes a word: 68 characters encoded, which leaves room for the header's name
	for first := true; first || s != ""; first = false {
		n := min(most, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		if !first {
			b = append(b, "\r\n "...)
		}
		b = append(b, "=?utf-8?B?"...)
		b = base64.StdEncoding.AppendEncode(b, []byte(s[:n]))
		b = append(b, "?="...)
		s = s[n:]
	}
	return b
}
