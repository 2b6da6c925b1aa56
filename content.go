package schoolbell

import (
	"strings"
	"sync"
)

// Content is a text most of which many messages share. The zero value is empty.
type Content struct {
	// Shared is what they share; nil for an empty text. Its pieces stand before, between and after Values.
	Shared *Shared
	Values []string // one fewer than the pieces
}

// Shared is the part of a text that many messages share. It never changes, and is safe for concurrent use.
type Shared struct {
	Pieces []string

	once    sync.Once
	encoded [][]byte
}

// Plain returns a text of one message.
func Plain(text string) Content {
	if text == "" {
		return Content{}
	}
	return Content{Shared: &Shared{Pieces: []string{text}}}
}

// Encoded returns what encode makes of the pieces. It is called once; all callers must mean the same encoding.
func (s *Shared) Encoded(encode func(pieces []string) [][]byte) [][]byte {
	s.once.Do(func() { s.encoded = encode(s.Pieces) })
	return s.encoded
}

// Len returns the length of the text in bytes.
func (c Content) Len() int {
	if c.Shared == nil {
		return 0
	}
	n := 0
	for _, p := range c.Shared.Pieces {
		n += len(p)
	}
	for _, v := range c.Values {
		n += len(v)
	}
	return n
}

// String returns the whole text.
func (c Content) String() string {
	switch {
	case c.Shared == nil:
		return ""
	case len(c.Values) == 0:
		return c.Shared.Pieces[0]
	}
	var b strings.Builder
	b.Grow(c.Len())
	for i, p := range c.Shared.Pieces {
		b.WriteString(p)
		if i < len(c.Values) {
			b.WriteString(c.Values[i])
		}
	}
	return b.String()
}
