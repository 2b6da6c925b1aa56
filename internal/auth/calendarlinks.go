package auth

import (
	"encoding/binary"

	"schoolbell/internal/ledger"
)

// The claims of the link to a calendar feed are the user's number (6 bytes) and the id of the feed (8), both big endian. They
// have no last day, because a calendar asks for its feed as long as it exists: the feed ends when it is revoked.
const calendarClaims = 6 + 8

// CalendarToken returns the token of the link to a calendar feed. ok is false for a feed that the ledger does not give out.
func (l *Links) CalendarToken(feed ledger.CalendarFeed) (token string, ok bool) {
	if !validLinkUser(feed.User) || feed.ID <= 0 {
		return "", false
	}
	b := make([]byte, 0, calendarClaims+linkMACBytes)
	b = binary.BigEndian.AppendUint64(b, uint64(feed.User))[2:]
	return l.calendar.seal(binary.BigEndian.AppendUint64(b, uint64(feed.ID))), true
}

// OpenCalendar returns the feed that a token stands for, or [ErrLinkInvalid]. The feed may have been revoked.
func (l *Links) OpenCalendar(token string) (ledger.CalendarFeed, error) {
	b, ok := l.calendar.open(token)
	if !ok || len(b) != calendarClaims {
		return ledger.CalendarFeed{}, ErrLinkInvalid
	}
	var number [8]byte
	copy(number[2:], b)
	return ledger.CalendarFeed{User: int64(binary.BigEndian.Uint64(number[:])), ID: int64(binary.BigEndian.Uint64(b[6:]))}, nil
}
