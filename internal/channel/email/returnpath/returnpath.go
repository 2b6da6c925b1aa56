// Package returnpath makes the envelope senders of emails, each with a token that names the message (Variable Envelope
// Return Path), and reads them where emails come back.
package returnpath

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"math"
	"strings"
	"sync"

	"github.com/google/uuid"

	"schoolbell"
)

// The token is base32 without padding, in lower case because some servers change the case: the event's UUID, the recipient's
// number, the wave and the number of the address, each as an unsigned varint, and the first 10 bytes of an HMAC-SHA256
// of these. It has 47 to 60 characters, so the part before the @ has at most 62 of the 64 that are allowed (RFC 5321
// §4.5.3.1.1). 80 bits cannot be guessed over a network. Another format needs another name of the key, so that no token of one
// format is good in the other.
const (
	prefix   = "b+"
	keyName  = "return-path-v1"
	macBytes = 10
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Addresses are the envelope senders at one domain. They are safe for concurrent use.
type Addresses struct {
	domain string
	macs   sync.Pool // of *mac: making one costs more than using it
}

// New returns the addresses at a domain, which is in ASCII, signed with a secret. All processes need the same one.
func New(domain, secret string) *Addresses {
	derive := hmac.New(sha256.New, []byte(secret))
	derive.Write([]byte(keyName))
	key := derive.Sum(nil)
	return &Addresses{domain: domain, macs: sync.Pool{New: func() any { return newMAC(key) }}}
}

// Of returns the address for the message of an id. ok is false for an id that no message of the pipeline has.
func (a *Addresses) Of(messageID string) (address string, ok bool) {
	key, err := schoolbell.ParseMessageKey(messageID)
	if err != nil {
		return "", false
	}
	id, err := uuid.Parse(key.EventID)
	if err != nil || id.String() != key.EventID {
		return "", false
	}
	b := make([]byte, 0, len(id)+3*binary.MaxVarintLen64+macBytes)
	b = append(b, id[:]...)
	b = binary.AppendUvarint(b, uint64(key.User))
	b = binary.AppendUvarint(b, uint64(key.Wave))
	b = binary.AppendUvarint(b, uint64(key.Address))
	return prefix + encoding.EncodeToString(a.appendMAC(b, b)) + "@" + a.domain, true
}

// Parse returns the message that an address names. ok is false for any address that Of did not return.
func (a *Addresses) Parse(address string) (key schoolbell.MessageKey, ok bool) {
	local, domain, _ := strings.Cut(strings.ToLower(address), "@")
	token, found := strings.CutPrefix(local, prefix)
	if !found || !strings.EqualFold(domain, a.domain) {
		return key, false
	}
	b, err := encoding.DecodeString(token)
	if err != nil || len(b) < len(uuid.UUID{})+macBytes || encoding.EncodeToString(b) != token { // decoding skips line breaks and unused bits
		return key, false
	}
	claims := b[:len(b)-macBytes]
	if !hmac.Equal(b[len(claims):], a.appendMAC(nil, claims)) {
		return key, false
	}
	return decode(claims)
}

// decode reads what is before the MAC.
func decode(claims []byte) (key schoolbell.MessageKey, ok bool) {
	id := uuid.UUID(claims[:len(uuid.UUID{})])
	rest := claims[len(id):]
	var numbers [3]uint64
	for i := range numbers {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > math.MaxInt64 {
			return key, false
		}
		numbers[i], rest = n, rest[size:]
	}
	key = schoolbell.MessageKey{EventID: id.String(), User: int64(numbers[0]), Wave: int(numbers[1]), Address: int(numbers[2])}
	return key, len(rest) == 0
}
