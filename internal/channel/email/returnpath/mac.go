package returnpath

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// mac computes the MAC of one token after the other.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func newMAC(key []byte) *mac { return &mac{hash: hmac.New(sha256.New, key)} }

// appendMAC appends the MAC of the claims to b.
func (a *Addresses) appendMAC(b, claims []byte) []byte {
	m := a.macs.Get().(*mac)
	defer a.macs.Put(m)
	m.hash.Reset()
	m.hash.Write(claims)
	return append(b, m.hash.Sum(m.sum[:0])[:macBytes]...)
}
