package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
)

// linkMACBytes is how much of an HMAC-SHA256 a token has: 96 bits cannot be guessed over a network.
const linkMACBytes = 12

// linkMACStarts are where these bytes may begin. A token takes the first with which it does not end in a hyphen: some programs, such
// as those for text messages on Android, leave a hyphen at the end out of what they make a link.
var linkMACStarts = [...]int{0, linkMACBytes, sha256.Size - linkMACBytes}

// linkSigner makes and checks tokens of one kind, which are claims with a MAC. Each kind has a secret of its own, so
// that no token of one kind is good as another. It is safe for concurrent use.
type linkSigner struct {
	macs sync.Pool // of *linkMAC: making one costs more than using it
}

// linkMAC computes the MAC of one token after the other.
type linkMAC struct {
	hash hash.Hash // HMAC-SHA256 with the secret
	sum  [sha256.Size]byte
}

// openLinkSigner reads the secret of a kind from the ledger, which keeps a new one if it has none.
func openLinkSigner(ctx context.Context, store LinkStore, name string) (*linkSigner, error) {
	fresh := make([]byte, sha256.Size)
	_, _ = rand.Read(fresh) // never fails: it ends the program instead
	secret, err := store.Secret(ctx, name, fresh)
	if err != nil {
		return nil, fmt.Errorf("load the secret %s: %w", name, err)
	}
	if len(secret) < sha256.Size {
		return nil, fmt.Errorf("load the secret %s: it has only %d bytes", name, len(secret))
	}
	return &linkSigner{macs: sync.Pool{New: func() any { return &linkMAC{hash: hmac.New(sha256.New, secret)} }}}, nil
}

// seal returns the token of claims. It appends to them, so a caller that leaves room for [linkMACBytes] saves a copy.
func (s *linkSigner) seal(claims []byte) string {
	m := s.mac(claims)
	defer s.macs.Put(m)
	var token []byte
	for _, start := range linkMACStarts {
		token = append(claims, m.sum[start:start+linkMACBytes]...)
		if !endsInHyphen(token) {
			break
		}
	}
	return encoding.EncodeToString(token)
}

// endsInHyphen reports whether the last character of the token of b is a hyphen, which stands for the six bits 62.
func endsInHyphen(b []byte) bool { return len(b)%3 == 0 && b[len(b)-1]&63 == 62 }

// open returns the claims of a token that was made here.
func (s *linkSigner) open(token string) (claims []byte, ok bool) {
	b, err := encoding.DecodeString(token)
	n := len(b) - linkMACBytes
	if err != nil || len(token) != encoding.EncodedLen(len(b)) || n < 0 { // decoding skips line breaks
		return nil, false
	}
	m := s.mac(b[:n])
	defer s.macs.Put(m)
	for _, start := range linkMACStarts {
		ok = hmac.Equal(b[n:], m.sum[start:start+linkMACBytes]) || ok
	}
	return b[:n], ok
}

// mac returns the MAC of claims. The caller puts it back.
func (s *linkSigner) mac(claims []byte) *linkMAC {
	m := s.macs.Get().(*linkMAC)
	m.hash.Reset()
	m.hash.Write(claims)
	m.hash.Sum(m.sum[:0])
	return m
}
