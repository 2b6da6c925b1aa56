package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell/internal/auth"
)

func openLinks(t testing.TB, store auth.LinkStore, now *time.Time) *auth.Links {
	t.Helper()
	links, err := auth.OpenLinks(t.Context(), store, func() time.Time { return *now })
	must(t, err)
	return links
}

func TestMessageLinks(t *testing.T) {
	t.Parallel()
	t.Run("a token names the event and the user", testMessageLinksContent)
	t.Run("no token ends in a hyphen", testMessageLinksEnd)
	t.Run("a token ends after thirty days", testMessageLinksExpiry)
	t.Run("a changed token is not valid", testMessageLinksForged)
	t.Run("what is no event of the ledger gets no token", testMessageLinksInput)
}

func testMessageLinksContent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	store := newStore(t)
	first, second := openLinks(t, store, &now), openLinks(t, store, &now) // of two processes
	seen := map[string]bool{}
	for _, user := range []int64{0, 1, 1 << 40, 1<<48 - 1} {
		want := auth.MessageLink{EventID: uuid.Must(uuid.NewV7()).String(), User: user}
		token, ok := first.Token(want)
		if !ok || len(token) != 48 || seen[token] {
			t.Fatalf("user %d: the token is %q, %v", user, token, ok)
		}
		seen[token] = true
		if got, err := second.Open(token); err != nil || got != want {
			t.Errorf("the token of %+v stands for %+v, %v", want, got, err)
		}
	}
	if _, err := openLinks(t, newStore(t), &now).Open(firstOf(seen)); !errors.Is(err, auth.ErrLinkInvalid) {
		t.Errorf("another installation: %v", err)
	}
}

func testMessageLinksEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	id := uuid.Must(uuid.NewV7()).String()
	for user := range int64(1000) { // one in 64 would
		want := auth.MessageLink{EventID: id, User: user}
		token, _ := links.Token(want)
		if got, err := links.Open(token); strings.HasSuffix(token, "-") || err != nil || got != want {
			t.Errorf("the token of %+v is %q, which stands for %+v, %v", want, token, got, err)
		}
	}
}

func firstOf(tokens map[string]bool) string {
	for token := range tokens {
		return token
	}
	return ""
}

func testMessageLinksExpiry(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 26, 23, 59, 59, 0, time.UTC)
	now := made
	links := openLinks(t, newStore(t), &now)
	link := auth.MessageLink{EventID: uuid.NewString(), User: 7}
	token, _ := links.Token(link)
	now = made.Add(-20 * time.Hour)
	if same, _ := links.Token(link); same != token {
		t.Error("the token changes within a day")
	}
	for at, want := range map[time.Duration]error{0: nil, auth.LinkTTL: nil, auth.LinkTTL + time.Second: auth.ErrLinkExpired, 10 * auth.LinkTTL: auth.ErrLinkExpired} {
		now = made.Add(at)
		if _, err := links.Open(token); !errors.Is(err, want) {
			t.Errorf("after %v: %v", at, err)
		}
	}
}

func testMessageLinksForged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	token, _ := links.Token(auth.MessageLink{EventID: uuid.NewString(), User: 7})
	raw, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		if _, err := links.Open(base64.RawURLEncoding.EncodeToString(changed)); !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, other := range []string{"", "x", token[:47], token + "A", token + "=", token + "\n", " " + token, base64.RawURLEncoding.EncodeToString(raw[:24])} {
		if _, err := links.Open(other); !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("%q: %v", other, err)
		}
	}
}

func testMessageLinksInput(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	id := uuid.NewString()
	for _, link := range []auth.MessageLink{{EventID: "start", User: 1}, {EventID: "{" + id + "}", User: 1}, {EventID: id, User: -1}, {EventID: id, User: 1 << 48}} {
		if token, ok := links.Token(link); ok {
			t.Errorf("%+v has the token %s", link, token)
		}
	}
}

func BenchmarkMessageLink(b *testing.B) {
	now := time.Now()
	links, err := auth.OpenLinks(b.Context(), newStore(b), func() time.Time { return now })
	if err != nil {
		b.Fatal(err)
	}
	link := auth.MessageLink{EventID: uuid.Must(uuid.NewV7()).String(), User: 1 << 40}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := links.Token(link); !ok {
			b.Fatal("no token")
		}
	}
}
