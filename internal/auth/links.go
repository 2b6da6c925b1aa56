package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// The token of a message link is base64url of 36 bytes, 48 characters: the event's UUID (16),
// the recipient's number (6) and the last day (2, days since 1970 in UTC), both big endian, and
// the MAC of these 24. It is short because it must fit into a text message. Another format needs
// another name of the secret, so that no token of one format is good in the other.
const (
	messageSecret     = "message-link-v1"
	preferencesSecret = "preferences-link-v1"
	unsubscribeSecret = "unsubscribe-link-v1"
	calendarSecret    = "calendar-link-v1"

	messageClaims = 16 + 6 + 2
	maxLinkUser   = 1<<48 - 1
	linkDay       = 24 * time.Hour
)

// LinkTTL is how long the link of a message is good at least. It ends with the day in UTC.
const LinkTTL = 30 * linkDay

// MessageLink is what the token of a message link stands for.
type MessageLink struct {
	EventID string // UUID
	User    int64  // number of the recipient in the ledger
}

// LinkStore is what links need of the ledger.
type LinkStore interface {
	// Secret is that of [Store].
	Secret(ctx context.Context, name string, fresh []byte) ([]byte, error)
}

// Links makes and checks the tokens of the links in messages. All processes on one ledger share the
// secrets that sign them, and these stay the same when they restart. It is safe for concurrent use.
type Links struct {
	message, preferences, unsubscribe, calendar *linkSigner

	now func() time.Time
}

// OpenLinks reads the secrets of links from the ledger, which keeps new ones if it has none.
// A nil clock means time.Now.
func OpenLinks(ctx context.Context, store LinkStore, clock func() time.Time) (*Links, error) {
	if clock == nil {
		clock = time.Now
	}
	l := &Links{now: clock}
	for name, signer := range map[string]**linkSigner{messageSecret: &l.message, preferencesSecret: &l.preferences, unsubscribeSecret: &l.unsubscribe,
		calendarSecret: &l.calendar} {
		opened, err := openLinkSigner(ctx, store, name)
		if err != nil {
			return nil, err
		}
		*signer = opened
	}
	return l, nil
}

// Token returns the token for one recipient of one event, good for [LinkTTL] from now. It is the
// same all day. ok is false for an event or a number that the ledger does not give out.
func (l *Links) Token(link MessageLink) (token string, ok bool) {
	id, err := uuid.Parse(link.EventID)
	if err != nil || id.String() != link.EventID || !validLinkUser(link.User) {
		return "", false
	}
	b := make([]byte, 0, messageClaims+linkMACBytes)
	b = append(b, id[:]...)
	b = appendUserUntil(b, link.User, l.now().Add(LinkTTL))
	return l.message.seal(b), true
}

// What is wrong with the token of a link.
var (
	ErrLinkInvalid = errors.New("the link is not valid") // it was not made here
	ErrLinkExpired = errors.New("the link has expired")
)

// Open returns what a token stands for, or [ErrLinkInvalid] or [ErrLinkExpired].
func (l *Links) Open(token string) (MessageLink, error) {
	b, ok := l.message.open(token)
	if !ok || len(b) != messageClaims {
		return MessageLink{}, ErrLinkInvalid
	}
	user, until := userUntil(b[16:])
	if !l.now().Before(until) {
		return MessageLink{}, ErrLinkExpired
	}
	return MessageLink{EventID: uuid.UUID(b[:16]).String(), User: user}, nil
}

func validLinkUser(number int64) bool { return number >= 0 && number <= maxLinkUser }

// appendUserUntil appends a person's number and the day in UTC of a moment, which is the last: 8 bytes.
func appendUserUntil(b []byte, user int64, until time.Time) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(user>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(user))
	return binary.BigEndian.AppendUint16(b, uint16(until.Unix()/int64(linkDay/time.Second)))
}

// userUntil reads what appendUserUntil wrote. until is the end of the last day.
func userUntil(b []byte) (user int64, until time.Time) {
	var number [8]byte
	copy(number[2:], b[:6])
	last := time.Unix(int64(binary.BigEndian.Uint16(b[6:8]))*int64(linkDay/time.Second), 0)
	return int64(binary.BigEndian.Uint64(number[:])), last.Add(linkDay)
}
