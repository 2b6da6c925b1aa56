package push

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"schoolbell"
)

// payload is what the service worker of the school's app gets as JSON.
type payload struct {
	Title    string              `json:"title"`
	Body     string              `json:"body"`
	URL      string              `json:"url,omitempty"` // to open when the notification is clicked
	Tag      string              `json:"tag"`           // a notification replaces an earlier one with the same tag
	EventID  string              `json:"event_id"`
	Category schoolbell.Category `json:"category"`
	Lang     string              `json:"lang,omitempty"`
}

// payloadOf returns the text of a message, cut so that it can be sent.
func payloadOf(m schoolbell.Message) ([]byte, error) {
	return payload{Title: m.Subject, Body: m.Text.String(), URL: m.Link, Tag: topic(m.EventID), EventID: m.EventID, Category: m.Category, Lang: m.Locale}.fit(maxPlain)
}

// fit returns p as JSON in at most so many bytes. The body is cut first. If nothing of it fits, the URL is left out, and then the
// title is cut.
func (p payload) fit(most int) ([]byte, error) {
	fits := func(p payload) bool {
		text, err := p.encode()
		return err == nil && len(text) <= most
	}
	withBody := func(body string) payload { q := p; q.Body = body; return q }
	if !fits(withBody("")) {
		p.URL = ""
	}
	if !fits(withBody("")) {
		p.Title = longest(p.Title, func(title string) bool { q := withBody(""); q.Title = title; return fits(q) })
	}
	p.Body = longest(p.Body, func(body string) bool { return fits(withBody(body)) })
	text, err := p.encode()
	if err == nil && len(text) > most {
		err = fmt.Errorf("the payload has %d bytes, over %d", len(text), most)
	}
	return text, err
}

func (p payload) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, fmt.Errorf("encode the payload: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// longest returns s, or the longest beginning of s that fits with a mark that something is missing; or nothing.
func longest(s string, fits func(string) bool) string {
	if fits(s) {
		return s
	}
	runes := []rune(s)
	cut := func(n int) string { return string(runes[:n]) + "…" }
	n := sort.Search(len(runes), func(n int) bool { return !fits(cut(n + 1)) })
	if n == 0 {
		return ""
	}
	return cut(n)
}

// maxTopic is in characters, of the alphabet of base64url (RFC 8030, 5.4).
const maxTopic = 32

// topic is what an undelivered message has in common with one that replaces it: all messages of an event, so that a
// repeated one and a reminder do not show twice. The id of an event is a UUID, whose digits fit exactly.
func topic(event string) string {
	if digits := strings.ReplaceAll(event, "-", ""); len(digits) == maxTopic && !strings.ContainsFunc(digits, isNotHex) {
		return digits
	}
	digest := sha256.Sum256([]byte(event))
	return base64.RawURLEncoding.EncodeToString(digest[:maxTopic*3/4])
}

func isNotHex(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }
