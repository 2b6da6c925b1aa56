package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

func newStore(t testing.TB) sqlite.Auth { return sqlite.Auth{DB: newDB(t)} }

func newDB(t testing.TB) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	a := auth.New(store, auth.Options{})
	kept := ""
	keep := func(secret string) error { kept = secret; return nil }
	full := errors.New("the disk is full")
	if _, err := a.FirstStart(t.Context(), func(string) error { return full }); !errors.Is(err, full) {
		t.Errorf("a key that cannot be kept: %v", err)
	}
	secret, err := a.FirstStart(t.Context(), keep)
	must(t, err)
	if !regexp.MustCompile(`^sb_[0-9a-f]{64}$`).MatchString(secret) || secret != kept {
		t.Fatalf("the key is %q, kept was %q", secret, kept)
	}
	k, err := a.Key(t.Context(), secret)
	must(t, err)
	if k.Scope != schoolbell.ScopeAdmin || bytes.Contains(k.Digest, []byte(secret)) {
		t.Errorf("the key is kept as %+v", k)
	}
	if again, err := auth.New(store, auth.Options{}).FirstStart(t.Context(), keep); again != "" || err != nil {
		t.Errorf("the second start made %q, %v", again, err)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	t.Run("a seeded key makes the first-start key unnecessary", testSeedInsteadOfFirstStart)
	t.Run("a weak or misleading secret is rejected", testSeedWeakSecret)
	t.Run("a new seeded key replaces the previous one", testSeedReplaced)
}

func testSeedInsteadOfFirstStart(t *testing.T) {
	t.Parallel()
	a := auth.New(newStore(t), auth.Options{})
	for range 2 {
		replaced, err := a.Seed(t.Context(), "correct-horse-battery")
		must(t, err)
		if len(replaced) > 0 {
			t.Errorf("replaced %+v", replaced)
		}
	}
	k, err := a.Key(t.Context(), "correct-horse-battery")
	must(t, err)
	if k.Scope != schoolbell.ScopeAdmin {
		t.Errorf("scope is %s", k.Scope)
	}
	if secret, err := a.FirstStart(t.Context(), nil); secret != "" || err != nil {
		t.Errorf("the first start made %q, %v", secret, err)
	}
}

func testSeedWeakSecret(t *testing.T) {
	t.Parallel()
	a := auth.New(newStore(t), auth.Options{})
	for name, secret := range map[string]string{
		"a short one": "secret", "an empty one": "", "one with a space": "correct horse battery staple",
		"one that looks like a user token": "sbu2.correct-horse-battery", "one that looks like an older user token": "sbu1.correct-horse-battery", "one too long": strings.Repeat("k", 513),
	} {
		if _, err := a.Seed(t.Context(), secret); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	t.Run("an invalid name or scope is rejected", testKeyInvalid)
	t.Run("an unknown key is unauthorized", testKeyUnknown)
	t.Run("a valid key is cached for a while", testKeyCached)
}

func testKeyInvalid(t *testing.T) {
	t.Parallel()
	a := auth.New(newStore(t), auth.Options{})
	for name, c := range map[string]struct {
		name  string
		scope schoolbell.Scope
		field string
	}{
		"an unknown scope":       {"x", "root", "scope"},
		"no scope":               {"x", "", "scope"},
		"no name":                {"", schoolbell.ScopeRead, "name"},
		"a name of two lines":    {"a\nb", schoolbell.ScopeRead, "name"},
		"a name of blanks":       {"  ", schoolbell.ScopeRead, "name"},
		"a name that is no text": {"\xff", schoolbell.ScopeRead, "name"},
		"a name nobody sees":     {"\u200b\u2800", schoolbell.ScopeRead, "name"},
		"a name that reorders":   {"bus \u202ex", schoolbell.ScopeRead, "name"},
		"a very long name":       {strings.Repeat("x", 201), schoolbell.ScopeRead, "name"},
	} {
		_, _, err := a.CreateKey(t.Context(), c.name, c.scope, time.Time{})
		f, _ := errors.AsType[schoolbell.Faults](err)
		if len(f) != 1 || f[0].Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := a.Keys(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d keys were made, %v", len(all), err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	t.Run("a revoked key is rejected within seconds", testRevokeTakesEffect)
	t.Run("a fingerprint must match exactly one key", testRevokeFingerprint)
}

func testRevokeTakesEffect(t *testing.T) {
	t.Parallel()
	now := time.Now()
	store := newStore(t)
	api := auth.New(store, auth.Options{Clock: func() time.Time { return now }}) // of a process that has seen the keys
	command := auth.New(store, auth.Options{})
	goes, gone, err := command.CreateKey(t.Context(), "bus", schoolbell.ScopeSend, time.Time{})
	must(t, err)
	stays, _, err := command.CreateKey(t.Context(), "bus", schoolbell.ScopeSend, time.Time{})
	must(t, err)
	for _, secret := range []string{goes, stays} {
		_, err := api.Key(t.Context(), secret)
		must(t, err)
	}
	revoked, err := command.Revoke(t.Context(), strings.ToUpper(auth.Fingerprint(gone)))
	must(t, err)
	if revoked.Name != "bus" || !bytes.Equal(revoked.Digest, gone.Digest) {
		t.Errorf("revoked %+v, want %+v", revoked, gone)
	}
	now = now.Add(5 * time.Second)
	if _, err := api.Key(t.Context(), goes); schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized {
		t.Errorf("five seconds later: %v", err)
	}
	if k, err := api.Key(t.Context(), stays); err != nil || k.Scope != schoolbell.ScopeSend {
		t.Errorf("the other key of that name: %v, %v", k, err)
	}
}

func testRevokeFingerprint(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	a := auth.New(store, auth.Options{})
	for _, b := range []byte{0x01, 0x02} { // alike but for their last byte
		digest := append(bytes.Repeat([]byte{0xab}, 31), b)
		must(t, store.PutAPIKey(t.Context(), schoolbell.APIKey{Digest: digest, Name: "x", Scope: schoolbell.ScopeRead, CreatedAt: schoolbell.Time(time.Now())}))
	}
	for fingerprint, want := range map[string]schoolbell.Code{
		"abababababab": schoolbell.CodeConflict, "abab": schoolbell.CodeConflict,
		"0123456789ab": schoolbell.CodeNotFound, "bababababa": schoolbell.CodeNotFound, // in a digest, not at its beginning
		"aba": schoolbell.CodeInvalid, "": schoolbell.CodeInvalid, "%%%%": schoolbell.CodeInvalid,
	} {
		if _, err := a.Revoke(t.Context(), fingerprint); schoolbell.CodeOf(err) != want {
			t.Errorf("%q: %v, want %s", fingerprint, err, want)
		}
	}
	if all, err := a.Keys(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d keys are left, %v", len(all), err)
	}
	_, err := a.Revoke(t.Context(), strings.Repeat("ab", 31)+"01")
	must(t, err)
	_, err = a.Revoke(t.Context(), "abab") // names one key now
	must(t, err)
}

func testKeyUnknown(t *testing.T) {
	t.Parallel()
	a := auth.New(newStore(t), auth.Options{})
	secret, _, err := a.CreateKey(t.Context(), "x", schoolbell.ScopeRead, time.Time{})
	must(t, err)
	for _, wrong := range []string{"", "sb_", secret + "0", secret[:len(secret)-1], strings.ToUpper(secret), strings.Repeat("x", 10_000)} {
		if _, err := a.Key(t.Context(), wrong); schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized {
			t.Errorf("%.80q: %v", wrong, err)
		}
	}
}

// lookups counts what reaches the store.
type lookups struct {
	auth.Store
	n int
}

func (l *lookups) APIKey(ctx context.Context, digest []byte) (schoolbell.APIKey, error) {
	l.n++
	return l.Store.APIKey(ctx, digest)
}

func testKeyCached(t *testing.T) {
	t.Parallel()
	now := time.Now()
	store := &lookups{Store: newStore(t)}
	a := auth.New(store, auth.Options{Clock: func() time.Time { return now }})
	secret, _, err := a.CreateKey(t.Context(), "x", schoolbell.ScopeRead, time.Time{})
	must(t, err)
	for range 3 {
		_, err := a.Key(t.Context(), secret)
		must(t, err)
	}
	if store.n != 1 {
		t.Errorf("looked up %d times, want once", store.n)
	}
	now = now.Add(time.Minute)
	_, err = a.Key(t.Context(), secret)
	must(t, err)
	if store.n != 2 {
		t.Errorf("looked up %d times, want one more", store.n)
	}
}

// withUser returns a ledger with the user u1 and a service over it with a key.
func withUser(t testing.TB, o auth.Options) (*sqlite.DB, *auth.Service, schoolbell.APIKey) {
	t.Helper()
	db := newDB(t)
	_, err := sqlite.People{DB: db}.PutUser(t.Context(), &schoolbell.User{ID: "u1", Name: "Ada", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	a := auth.New(sqlite.Auth{DB: db}, o)
	_, key, err := a.CreateKey(t.Context(), "app", schoolbell.ScopeSend, time.Time{})
	must(t, err)
	return db, a, key
}

func TestToken(t *testing.T) {
	t.Parallel()
	t.Run("a token identifies its user until it expires", testTokenExpiry)
	t.Run("a token ends with its user, its key or by revocation", testTokenRevoked)
	t.Run("a token of another ledger is rejected", testTokenOtherLedger)
	t.Run("an invalid lifetime or user is rejected", testTokenLifetime)
}

func testTokenExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 8, 0, 0, 5e6, time.UTC)
	clock := auth.Options{Clock: func() time.Time { return now }}
	db, a, key := withUser(t, clock)
	const id = "ada-of-the-first-form" // too long to be in a token by chance
	_, err := sqlite.People{DB: db}.PutUser(t.Context(), &schoolbell.User{ID: id, Name: "Ada", Roles: []schoolbell.Role{schoolbell.RoleParent}})
	must(t, err)
	token, expires, err := a.Token(t.Context(), key, id, time.Minute)
	must(t, err)
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	must(t, err)
	if !expires.Equal(now.Add(time.Minute)) || !auth.IsToken(token) || strings.Contains(token, id) || bytes.Contains(claims, []byte(id)) {
		t.Errorf("token %q with claims %q ends at %v", token, claims, expires)
	}
	other := auth.New(sqlite.Auth{DB: db}, clock) // another process on the same ledger
	now = expires.Add(-time.Millisecond)
	if user, err := other.TokenUser(t.Context(), token); user.ID != id || user.Key != auth.Fingerprint(key) || !user.Expires.Equal(expires) || err != nil {
		t.Errorf("a moment before its end: %+v, %v", user, err)
	}
	now = expires
	if user, err := other.TokenUser(t.Context(), token); user.ID != "" || schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized {
		t.Errorf("at its end: %+v, %v", user, err)
	}
}

func testTokenRevoked(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, db *sqlite.DB, a *auth.Service, key schoolbell.APIKey){
		"its user's tokens are revoked": func(t *testing.T, _ *sqlite.DB, a *auth.Service, _ schoolbell.APIKey) {
			must(t, a.RevokeTokens(t.Context(), "u1"))
		},
		"its user is deleted": func(t *testing.T, db *sqlite.DB, _ *auth.Service, _ schoolbell.APIKey) {
			must(t, sqlite.People{DB: db}.DeleteUser(t.Context(), "u1"))
		},
		"another user gets the id": func(t *testing.T, db *sqlite.DB, _ *auth.Service, _ schoolbell.APIKey) {
			must(t, sqlite.People{DB: db}.DeleteUser(t.Context(), "u1"))
			_, err := sqlite.People{DB: db}.PutUser(t.Context(), &schoolbell.User{ID: "u1", Name: "Eve", Roles: []schoolbell.Role{schoolbell.RoleParent}})
			must(t, err)
		},
		"its key is revoked": func(t *testing.T, _ *sqlite.DB, a *auth.Service, key schoolbell.APIKey) {
			_, err := a.Revoke(t.Context(), auth.Fingerprint(key))
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			db, a, key := withUser(t, auth.Options{Clock: func() time.Time { return now }})
			token, _, err := a.Token(t.Context(), key, "u1", time.Hour)
			must(t, err)
			if _, err := a.TokenUser(t.Context(), token); err != nil {
				t.Fatalf("before: %v", err)
			}
			end(t, db, a, key)
			now = now.Add(6 * time.Second) // what is remembered is forgotten
			if user, err := a.TokenUser(t.Context(), token); schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized {
				t.Errorf("after: %+v, %v", user, err)
			}
			if strings.HasPrefix(name, "its user's tokens") {
				fresh, _, err := a.Token(t.Context(), key, "u1", time.Hour)
				must(t, err)
				if user, err := a.TokenUser(t.Context(), fresh); err != nil || user.ID != "u1" {
					t.Errorf("a new token: %+v, %v", user, err)
				}
			}
		})
	}
}

func testSeedReplaced(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := auth.Options{Clock: func() time.Time { return now }}
	store := newStore(t)
	first, second := auth.New(store, clock), auth.New(store, clock) // two processes
	_, other, err := first.CreateKey(t.Context(), "app", schoolbell.ScopeAdmin, time.Time{})
	must(t, err)
	_, err = first.Seed(t.Context(), "correct-horse-battery-1")
	must(t, err)
	old, err := first.Key(t.Context(), "correct-horse-battery-1")
	must(t, err)
	replaced, err := second.Seed(t.Context(), "correct-horse-battery-2")
	must(t, err)
	if len(replaced) != 1 || auth.Fingerprint(replaced[0]) != auth.Fingerprint(old) {
		t.Errorf("replaced %+v, want %+v", replaced, old)
	}
	now = now.Add(6 * time.Second)
	for _, a := range []*auth.Service{first, second} {
		if _, err := a.Key(t.Context(), "correct-horse-battery-1"); schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized {
			t.Errorf("the old key: %v", err)
		}
		if _, err := a.Key(t.Context(), "correct-horse-battery-2"); err != nil {
			t.Errorf("the new key: %v", err)
		}
	}
	keys, err := first.Keys(t.Context())
	must(t, err)
	if len(keys) != 2 || !slices.ContainsFunc(keys, func(k schoolbell.APIKey) bool { return bytes.Equal(k.Digest, other.Digest) }) {
		t.Errorf("the keys are %+v", keys)
	}
	if _, _, err := first.CreateKey(t.Context(), auth.SeededName, schoolbell.ScopeAdmin, time.Time{}); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
		t.Errorf("a key of the reserved name: %v", err)
	}
}

func testTokenOtherLedger(t *testing.T) {
	t.Parallel()
	_, a, key := withUser(t, auth.Options{})
	_, b, _ := withUser(t, auth.Options{})
	token, _, err := a.Token(t.Context(), key, "u1", 0)
	must(t, err)
	if _, err := b.TokenUser(t.Context(), token); schoolbell.CodeOf(err) != schoolbell.CodeUnauthorized {
		t.Errorf("got %v", err)
	}
}

func testTokenLifetime(t *testing.T) {
	t.Parallel()
	_, a, key := withUser(t, auth.Options{})
	for _, ttl := range []time.Duration{-time.Second, time.Second, 25 * time.Hour} {
		if _, _, err := a.Token(t.Context(), key, "u1", ttl); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("%v: %v", ttl, err)
		}
	}
	if _, _, err := a.Token(t.Context(), key, "nobody", 0); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("nobody: %v", err)
	}
}

// FuzzTokens changes a good token in any way: nothing but the token itself may pass.
func FuzzTokens(f *testing.F) {
	_, a, key := withUser(f, auth.Options{})
	good, _, err := a.Token(f.Context(), key, "u1", 24*time.Hour)
	must(f, err)
	f.Add(good)
	f.Add(good + "=")
	f.Add(good[:len(good)-1])
	f.Add("sbu1.AAAA.AAAA")
	f.Add("sbu2.")
	f.Add("sbu2..")
	f.Add("sbu2.AAAA.AAAA")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Fuzz(func(t *testing.T, token string) {
		user, err := a.TokenUser(context.Background(), token)
		if (err == nil) != (token == good) || (user.ID == "u1") != (token == good) {
			t.Errorf("%q: %+v, %v", token, user, err)
		}
	})
}

func TestLastUse(t *testing.T) {
	t.Parallel()
	store, now := newStore(t), time.Date(2026, 11, 2, 7, 10, 0, 0, time.UTC)
	a := auth.New(store, auth.Options{Clock: func() time.Time { return now }})
	secret, k, err := a.CreateKey(t.Context(), "x", schoolbell.ScopeRead, time.Time{})
	must(t, err)
	for _, c := range []struct{ after, noted time.Duration }{{0, 0}, {9 * time.Minute, 0}, {11 * time.Minute, 11 * time.Minute}, {20 * time.Minute, 11 * time.Minute}} {
		now = k.CreatedAt.Add(c.after)
		_, err := a.Key(t.Context(), secret)
		must(t, err)
		ended, end := context.WithCancel(t.Context())
		end()
		must(t, a.Run(ended)) // stores what is left
		got, err := store.APIKey(t.Context(), k.Digest)
		must(t, err)
		if !got.LastUsedAt.Equal(k.CreatedAt.Add(c.noted)) {
			t.Errorf("used after %v: noted %v", c.after, got.LastUsedAt)
		}
	}
}

func TestLastUseStored(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	a := auth.New(store, auth.Options{})
	secret, k, err := a.CreateKey(t.Context(), "x", schoolbell.ScopeRead, time.Time{})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()
	_, err = a.Key(t.Context(), secret)
	must(t, err)
	testenv.Eventually(t, 10*time.Second, func() bool {
		got, err := store.APIKey(t.Context(), k.Digest)
		return err == nil && !got.LastUsedAt.IsZero()
	}, "the last use is not stored")
}

func TestRotateLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 7, 10, 0, 0, time.UTC)
	a := auth.New(newStore(t), auth.Options{Clock: func() time.Time { return now }})
	_, short, err := a.CreateKey(t.Context(), "short", schoolbell.ScopeRead, now.Add(time.Hour))
	must(t, err)
	for _, c := range []struct {
		grace   time.Duration
		expires time.Time
		field   string
	}{{-time.Second, time.Time{}, "grace"}, {auth.MaxGrace + time.Second, time.Time{}, "grace"}, {0, now, "expires_at"}, {0, now.AddDate(9000, 0, 0), "expires_at"}} {
		_, _, _, err := a.Rotate(t.Context(), auth.Fingerprint(short), c.grace, c.expires)
		if f := schoolbell.FaultsOf(err); len(f) != 1 || f[0].Field != c.field {
			t.Errorf("%v until %v: %v", c.grace, c.expires, err)
		}
	}
	_, k, old, err := a.Rotate(t.Context(), auth.Fingerprint(short), auth.DefaultGrace, time.Time{})
	must(t, err)
	if !old.ExpiresAt.Equal(short.ExpiresAt) || !k.ExpiresAt.Equal(short.ExpiresAt) {
		t.Errorf("a rotation moves the end to %v and %v", old.ExpiresAt, k.ExpiresAt)
	}
	now = now.Add(time.Hour)
	if _, _, _, err := a.Rotate(t.Context(), auth.Fingerprint(k), 0, time.Time{}); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
		t.Errorf("an expired key: %v", err)
	}
}
