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

func TestChoiceLinks(t *testing.T) {
	t.Parallel()
	t.Run("a token names the person and what they leave", testChoiceLinksContent)
	t.Run("a token ends after four hundred days", testChoiceLinksExpiry)
	t.Run("a token may end with another", testChoiceLinksUntil)
	t.Run("a token of one kind is not good as another", testLinkKinds)
	t.Run("a changed token is not valid", testChoiceLinksForged)
	t.Run("a number that there is not gets no token", testChoiceLinksInput)
}

func leaving(user int64) auth.UnsubscribeLink {
	return auth.UnsubscribeLink{PreferencesLink: auth.PreferencesLink{User: user}, Category: "school-trips_2", Channel: "email"}
}

func testChoiceLinksContent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	store := newStore(t)
	first, second := openLinks(t, store, &now), openLinks(t, store, &now) // of two processes
	for _, user := range []int64{0, 1, 1 << 40, 1<<48 - 1} {
		token, ok := first.PreferencesToken(auth.PreferencesLink{User: user})
		if got, err := second.OpenPreferences(token); !ok || err != nil || got.User != user {
			t.Errorf("the token of %d stands for %+v, %v", user, got, err)
		}
		want := leaving(user)
		token, ok = first.UnsubscribeToken(want)
		got, err := second.OpenUnsubscribe(token)
		want.Until = got.Until
		if !ok || err != nil || got != want {
			t.Errorf("the token of %+v stands for %+v, %v", want, got, err)
		}
	}
}

func testChoiceLinksExpiry(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 26, 23, 59, 59, 0, time.UTC)
	now := made
	links := openLinks(t, newStore(t), &now)
	page, _ := links.PreferencesToken(auth.PreferencesLink{User: 7})
	leave, _ := links.UnsubscribeToken(leaving(7))
	for at, want := range map[time.Duration]error{0: nil, 60 * 24 * time.Hour: nil, auth.ChoiceLinkTTL: nil, auth.ChoiceLinkTTL + time.Second: auth.ErrLinkExpired} {
		now = made.Add(at)
		if _, err := links.OpenPreferences(page); !errors.Is(err, want) {
			t.Errorf("preferences after %v: %v", at, err)
		}
		if _, err := links.OpenUnsubscribe(leave); !errors.Is(err, want) {
			t.Errorf("unsubscribe after %v: %v", at, err)
		}
	}
}

// A page to which an old link leads does not extend it.
func testChoiceLinksUntil(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	now := made
	links := openLinks(t, newStore(t), &now)
	old, _ := links.UnsubscribeToken(leaving(7))
	now = made.Add(auth.ChoiceLinkTTL)
	opened, err := links.OpenUnsubscribe(old)
	must(t, err)
	page, _ := links.PreferencesToken(opened.PreferencesLink)
	if _, err := links.OpenPreferences(page); err != nil {
		t.Errorf("on the last day: %v", err)
	}
	now = now.Add(24 * time.Hour)
	if _, err := links.OpenPreferences(page); !errors.Is(err, auth.ErrLinkExpired) {
		t.Errorf("after the last day: %v", err)
	}
}

func testLinkKinds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	message, _ := links.Token(auth.MessageLink{EventID: uuid.NewString(), User: 7})
	page, _ := links.PreferencesToken(auth.PreferencesLink{User: 7})
	leave, _ := links.UnsubscribeToken(leaving(7))
	// As long as the claims of a message.
	same, _ := links.UnsubscribeToken(auth.UnsubscribeLink{PreferencesLink: auth.PreferencesLink{User: 7}, Category: "0123456789", Channel: "email"})
	open := map[string]func(string) error{
		"message":     func(token string) error { _, err := links.Open(token); return err },
		"preferences": func(token string) error { _, err := links.OpenPreferences(token); return err },
		"unsubscribe": func(token string) error { _, err := links.OpenUnsubscribe(token); return err },
	}
	for kind, opens := range open {
		for of, token := range map[string]string{"message": message, "preferences": page, "unsubscribe": leave} {
			want := auth.ErrLinkInvalid
			if kind == of {
				want = nil
			}
			if err := opens(token); !errors.Is(err, want) {
				t.Errorf("%s opens a token of %s: %v", kind, of, err)
			}
		}
	}
	if err := open["message"](same); len(same) != len(message) || !errors.Is(err, auth.ErrLinkInvalid) {
		t.Errorf("a token of %d characters, as a message has: %v", len(same), err)
	}
}

func testChoiceLinksForged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	token, _ := links.UnsubscribeToken(leaving(7))
	raw, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		if _, err := links.OpenUnsubscribe(base64.RawURLEncoding.EncodeToString(changed)); !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, other := range []string{"", "x", token[1:], token + "AAAA", token + "\n", base64.RawURLEncoding.EncodeToString(raw[:len(raw)-12]), strings.Repeat("A", 16)} {
		if _, err := links.OpenUnsubscribe(other); !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("%q: %v", other, err)
		}
		if _, err := links.OpenPreferences(other); !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("%q: %v", other, err)
		}
	}
}

func testChoiceLinksInput(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	for _, user := range []int64{-1, 1 << 48} {
		if token, ok := links.PreferencesToken(auth.PreferencesLink{User: user}); ok {
			t.Errorf("%d has the token %s", user, token)
		}
		if token, ok := links.UnsubscribeToken(leaving(user)); ok {
			t.Errorf("%d has the token %s", user, token)
		}
	}
}

func BenchmarkChoiceLinks(b *testing.B) {
	now := time.Now()
	links, err := auth.OpenLinks(b.Context(), newStore(b), func() time.Time { return now })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, page := links.PreferencesToken(auth.PreferencesLink{User: 1 << 40})
		_, leave := links.UnsubscribeToken(leaving(1 << 40))
		if !page || !leave {
			b.Fatal("no token")
		}
	}
}
