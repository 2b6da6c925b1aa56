package schoolbell

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// Fingerprint names what the message says, and where it goes: two messages of one channel with the same fingerprint have the same
// address, in upper or lower case, and the same text. Links that differ between recipients count as text, so messages that are
// compared must be made without them. The name of the recipient counts only where the text has it.
func (m *Message) Fingerprint() int64 {
	hash := sha256.New()
	for _, part := range []string{strings.ToLower(m.To), m.Locale, m.Subject, m.Text.String(), m.HTML.String(), m.Calendar.String(), m.CalendarMethod} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	return int64(binary.BigEndian.Uint64(hash.Sum(nil)))
}
