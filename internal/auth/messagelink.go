package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The token of a message link is base64url of 36 bytes, 48 characters: the event's UUID (16),
// the recipient's number (6) and the last day (2, days since 1970 in UTC), both big endian, and
// the first 12 bytes of an HMAC-SHA256 of these 24. It is short because it must fit into a text
// message. 96 bits cannot be guessed over a network. Another format needs another name of
// the secret, so that no token of one format is good in the other.
const (
	linkSecretName  = "message-link-v1"
	linkClaimsBytes = 16 + 6 + 2
	linkMACBytes    = 12
	maxLinkUser     = 1<<48 - 1
	linkDay         = 24 * time.Hour
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

// Links makes and checks the tokens of message links. All processes on one ledger share the
// secret that signs them, and it stays the same when they restart. It is safe for concurrent use.
type Links struct {
	macs sync.Pool // of *linkMAC: making one costs more than using it
	now  func() time.Time
}

// linkMAC computes the MAC of one token after the other.
type linkMAC struct {
	hash hash.Hash // HMAC-SHA256 with the secret
	sum  [sha256.Size]byte
}

// OpenLinks reads the secret of links from the ledger, which keeps a new one if it has none.
// A nil clock means time.Now.
func OpenLinks(ctx context.Context, store LinkStore, clock func() time.Time) (*Links, error) {
	fresh := make([]byte, sha256.Size)
	_, _ = rand.Read(fresh) // never fails: it ends the program instead
	secret, err := store.Secret(ctx, linkSecretName, fresh)
	if err != nil {
		return nil, fmt.Errorf("load the secret of message links: %w", err)
	}
	if len(secret) < sha256.Size {
		return nil, fmt.Errorf("load the secret of message links: it has only %d bytes", len(secret))
	}
	if clock == nil {
		clock = time.Now
	}
	return &Links{
		macs: sync.Pool{New: func() any { return &linkMAC{hash: hmac.New(sha256.New, secret)} }},
		now:  clock,
	}, nil
}

// Token returns the token for one recipient of one event, good for [LinkTTL] from now. It is the
// same all day. ok is false for an event or a number that the ledger does not give out.
func (l *Links) Token(link MessageLink) (token string, ok bool) {
	id, err := uuid.Parse(link.EventID)
	if err != nil || id.String() != link.EventID || link.User < 0 || link.User > maxLinkUser {
		return "", false
	}
	last := l.now().Add(LinkTTL).Unix() / int64(linkDay/time.Second)
	b := make([]byte, 0, linkClaimsBytes+linkMACBytes)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(link.User>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(link.User))
	b = binary.BigEndian.AppendUint16(b, uint16(last))
	return encoding.EncodeToString(l.appendMAC(b, b)), true
}

// What is wrong with the token of a message link.
var (
	ErrLinkInvalid = errors.New("the message link is not valid") // it was not made here
	ErrLinkExpired = errors.New("the message link has expired")
)

// Open returns what a token stands for, or [ErrLinkInvalid] or [ErrLinkExpired].
func (l *Links) Open(token string) (MessageLink, error) {
	b, err := encoding.DecodeString(token)
	if err != nil || len(token) != encoding.EncodedLen(len(b)) || len(b) != linkClaimsBytes+linkMACBytes || // decoding skips line breaks
		!hmac.Equal(b[linkClaimsBytes:], l.appendMAC(nil, b[:linkClaimsBytes])) {
		return MessageLink{}, ErrLinkInvalid
	}
	last := time.Unix(int64(binary.BigEndian.Uint16(b[22:24]))*int64(linkDay/time.Second), 0)
	if !l.now().Before(last.Add(linkDay)) {
		return MessageLink{}, ErrLinkExpired
	}
	var number [8]byte
	copy(number[2:], b[16:22])
	return MessageLink{EventID: uuid.UUID(b[:16]).String(), User: int64(binary.BigEndian.Uint64(number[:]))}, nil
}

// appendMAC appends the MAC of the claims to b.
func (l *Links) appendMAC(b, claims []byte) []byte {
	m := l.macs.Get().(*linkMAC)
	defer l.macs.Put(m)
	m.hash.Reset()
	m.hash.Write(claims)
	return append(b, m.hash.Sum(m.sum[:0])[:linkMACBytes]...)
}
