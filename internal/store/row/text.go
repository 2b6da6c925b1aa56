package row

import "strings"

// Text returns s as both engines can store it. What a mail server answers need
// not be UTF-8, and a strange answer must not stop its row from being recorded.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
