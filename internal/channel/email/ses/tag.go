package ses

import (
	"encoding/hex"
	"errors"
	"strings"
)

// TagName is the name of the tag that carries the id of a message. SES events have it in mail.tags.
const TagName = "schoolbell_message"

// maxTag is the length of the value of a tag.
const maxTag = 256

// Tag writes the id of a message with the characters that values of tags may have: letters, digits, "_" and "-". A byte
// that is neither a letter, a digit nor "-" becomes "_" and two hexadecimal digits.
func Tag(id string) (string, error) {
	var b strings.Builder
	for _, c := range []byte(id) {
		if isPlain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('_')
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	if b.Len() > maxTag {
		return "", errors.New("the message id is too long for a tag of Amazon SES")
	}
	return b.String(), nil
}

// MessageID returns the id of which [Tag] made a value, and false if it made no such value.
func MessageID(tag string) (id string, ok bool) {
	var b []byte
	for i := 0; i < len(tag); i++ {
		switch {
		case isPlain(tag[i]):
			b = append(b, tag[i])
		case tag[i] == '_' && i+2 < len(tag):
			c, err := hex.DecodeString(tag[i+1 : i+3])
			if err != nil || isPlain(c[0]) {
				return "", false
			}
			b = append(b, c[0])
			i += 2
		default:
			return "", false
		}
	}
	return string(b), len(b) > 0
}

func isPlain(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-'
}
