package email

import (
	"strings"

	"schoolbell"
)

// Field is a header of an email.
type Field struct{ Name, Value string }

// The field that lets mail programs unsubscribe with one request (RFC 8058). It holds for an https URL only.
var oneClick = Field{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"}

// UnsubscribeFields returns the headers by which mail programs offer to end messages like m (RFC 2369 and RFC 8058), none
// for messages that cannot be ended.
func UnsubscribeFields(m *schoolbell.Message) []Field {
	if m.Unsubscribe == "" {
		return nil
	}
	fields := []Field{{"List-Unsubscribe", "<" + m.Unsubscribe + ">"}}
	if strings.HasPrefix(m.Unsubscribe, "https://") {
		fields = append(fields, oneClick)
	}
	return fields
}

// isFieldURL reports whether a URL, or an empty text, can stand between angle brackets on a line of a header.
func isFieldURL(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '<' || c == '>' {
			return false
		}
	}
	return len(s) <= maxPlain
}
