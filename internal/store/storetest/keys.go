package storetest

import (
	"bytes"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/store"
)

var keyLives = []promise{
	{"RotateAPIKey stores a new secret and ends the old one, once", keyRotation},
	{"NoteKeyUse moves the last use of a key forward only", keyUse},
	{"HasFingerprint knows no key that has expired", keyFingerprintExpired},
}

// testKey returns a key whose digest consists of b.
func testKey(b byte) schoolbell.APIKey {
	return schoolbell.APIKey{ID: "0123456789ab", Digest: bytes.Repeat([]byte{b}, 32), Name: "Bus app", Scope: schoolbell.ScopeSend,
		CreatedAt: auditTime.Add(time.Duration(b) * time.Second), ExpiresAt: auditTime.Add(24 * time.Hour)}
}

func keyRotation(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	old, fresh := testKey(1), testKey(2)
	s.must(s.Auth.PutAPIKey(s.ctx(), old))
	old.ExpiresAt, old.ReplacedAt = auditTime.Add(time.Hour), auditTime
	s.must(s.Auth.RotateAPIKey(s.ctx(), old, fresh))
	all, err := s.Auth.ListAPIKeys(s.ctx())
	s.must(err)
	same(t, "keys", all, []schoolbell.APIKey{old, fresh})
	wantCode(t, s.Auth.RotateAPIKey(s.ctx(), old, testKey(3)), schoolbell.CodeConflict)
	wantCode(t, s.Auth.RotateAPIKey(s.ctx(), testKey(9), testKey(3)), schoolbell.CodeConflict)
	all, err = s.Auth.ListAPIKeys(s.ctx())
	s.must(err)
	same(t, "keys after a rotation that failed", len(all), 2)
}

func keyUse(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	k := testKey(1)
	s.must(s.Auth.PutAPIKey(s.ctx(), k))
	for _, at := range []time.Duration{0, time.Hour, time.Minute} {
		s.must(s.Auth.NoteKeyUse(s.ctx(), k.Digest, auditTime.Add(at)))
	}
	got, err := s.Auth.APIKey(s.ctx(), k.Digest)
	s.must(err)
	k.LastUsedAt = auditTime.Add(time.Hour)
	same(t, "key", got, k)
	s.must(s.Auth.NoteKeyUse(s.ctx(), testKey(9).Digest, auditTime))
}

func keyFingerprintExpired(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	k := testKey(1)
	s.must(s.Auth.PutAPIKey(s.ctx(), k))
	for at, want := range map[time.Time]bool{k.ExpiresAt.Add(-time.Millisecond): true, k.ExpiresAt: false} {
		has, err := s.Auth.HasFingerprint(s.ctx(), k.Digest[:6], at)
		s.must(err)
		same(t, at.String(), has, want)
	}
}
