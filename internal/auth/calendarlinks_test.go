package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
)

func TestCalendarLinks(t *testing.T) {
	t.Parallel()
	t.Run("a token names the feed, for years", testCalendarLinksContent)
	t.Run("a changed token and those of other kinds are not valid", testCalendarLinksForged)
}

func testCalendarLinksContent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	store := newStore(t)
	first, second := openLinks(t, store, &now), openLinks(t, store, &now) // of two processes
	for _, feed := range []ledger.CalendarFeed{{User: 0, ID: 1}, {User: 1<<48 - 1, ID: 1<<63 - 1}} {
		token, ok := first.CalendarToken(feed)
		now = now.AddDate(5, 0, 0)
		if got, err := second.OpenCalendar(token); !ok || err != nil || got != feed {
			t.Errorf("the token of %+v stands for %+v, %v", feed, got, err)
		}
	}
	for _, feed := range []ledger.CalendarFeed{{User: -1, ID: 1}, {User: 1 << 48, ID: 1}, {User: 1}, {User: 1, ID: -1}} {
		if token, ok := first.CalendarToken(feed); ok {
			t.Errorf("%+v has the token %s", feed, token)
		}
	}
}

func testCalendarLinksForged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := openLinks(t, newStore(t), &now)
	token, _ := links.CalendarToken(ledger.CalendarFeed{User: 7, ID: 9})
	raw, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	bad := []string{"", "x", token[1:], token + "AAAA", token + "\n", strings.Repeat("A", len(token)), base64.RawURLEncoding.EncodeToString(raw[:14])}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		bad = append(bad, base64.RawURLEncoding.EncodeToString(changed))
	}
	page, _ := links.PreferencesToken(auth.PreferencesLink{User: 7})
	// As long as the claims of a feed.
	leave, _ := links.UnsubscribeToken(auth.UnsubscribeLink{PreferencesLink: auth.PreferencesLink{User: 7}, Category: "a", Channel: "push"})
	for _, other := range append(bad, page, leave) {
		if got, err := links.OpenCalendar(other); !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("%q stands for %+v, %v", other, got, err)
		}
	}
	for _, err := range []error{second(links.OpenPreferences(token)), second(links.OpenUnsubscribe(token)), second(links.Open(token))} {
		if !errors.Is(err, auth.ErrLinkInvalid) {
			t.Errorf("the token of a feed as one of another kind: %v", err)
		}
	}
}

// second is the error of two results.
func second[T any](_ T, err error) error { return err }

func FuzzCalendarTokens(f *testing.F) {
	now := time.Now()
	links := openLinks(f, newStore(f), &now)
	good, _ := links.CalendarToken(ledger.CalendarFeed{User: 7, ID: 9})
	f.Add(good)
	f.Add("")
	f.Add(good + "A")
	f.Fuzz(func(t *testing.T, token string) {
		feed, err := links.OpenCalendar(token)
		if (err == nil) != (token == good) {
			t.Errorf("%q stands for %+v, %v", token, feed, err)
		}
	})
}
