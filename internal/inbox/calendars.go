package inbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

const (
	calendarPast = 90 * 24 * time.Hour // how long events stay in feeds after their start
	calendarMost = 1_000               // events in a feed
)

// CalendarStore is what [Calendars] needs of the ledger. Every method is one transaction; implementations are safe for
// concurrent use. An unknown user is CodeNotFound.
type CalendarStore interface {
	// CreateFeed gives the user a calendar feed with this id, greater than 0, and returns it. A user who has a feed keeps it.
	CreateFeed(ctx context.Context, userID string, id int64) (ledger.CalendarFeed, error)

	// RevokeFeed ends the feed of the user, if there is one.
	RevokeFeed(ctx context.Context, userID string) error

	// Feed returns the feed of the user. Its id is 0 if there is none.
	Feed(ctx context.Context, userID string) (ledger.CalendarFeed, error)

	// FeedEvents returns those events of the user that start at a time or later, up to limit, the newest first: those in the inbox, and
	// those without the channel in_app of which a message was sent or failed, is in a digest or went to the first of the household.
	// CodeNotFound if it is not the user's feed, or not any more.
	FeedEvents(ctx context.Context, feed ledger.CalendarFeed, since time.Time, limit int) (ledger.CalendarEvents, error)
}

// Calendars are the events that people were told of and that have a time, as feeds for calendars. It is safe for concurrent use.
type Calendars struct {
	store    CalendarStore
	language func() string
	now      func() time.Time
}

// NewCalendars returns the calendars of a ledger. A nil clock means time.Now. language returns the language that the school
// writes in, BCP 47; nil means English.
func NewCalendars(store CalendarStore, clock func() time.Time, language func() string) *Calendars {
	if clock == nil {
		clock = time.Now
	}
	if language == nil {
		language = func() string { return "" }
	}
	return &Calendars{store: store, language: language, now: clock}
}

// Create gives a user a feed, and says whether it is new: a user who has one keeps it. CodeNotFound if there is no such user.
func (c *Calendars) Create(ctx context.Context, userID string) (feed ledger.CalendarFeed, created bool, err error) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	id := int64(binary.BigEndian.Uint64(b[:])>>1) | 1
	feed, err = c.store.CreateFeed(ctx, userID, id)
	return feed, feed.ID == id, err
}

// Revoke ends the feed of a user, if there is one. CodeNotFound if there is no such user.
func (c *Calendars) Revoke(ctx context.Context, userID string) error {
	return c.store.RevokeFeed(ctx, userID)
}

// Feed returns the feed of a user. Its id is 0 if there is none. CodeNotFound if there is no such user.
func (c *Calendars) Feed(ctx context.Context, userID string) (ledger.CalendarFeed, error) {
	return c.store.Feed(ctx, userID)
}

// Events returns what a feed shows, ordered by time: events of the last 90 days and of the future, up to 1,000. Their texts have
// nothing of single people, as the files for calendars in emails: people share calendars. CodeNotFound if there is no such feed, or
// not any more.
func (c *Calendars) Events(ctx context.Context, feed ledger.CalendarFeed) (ledger.CalendarEvents, error) {
	found, err := c.store.FeedEvents(ctx, feed, c.now().Add(-calendarPast), calendarMost)
	if err != nil {
		return ledger.CalendarEvents{}, err
	}
	for _, ev := range found.Events {
		if ev.Personalized() {
			fillEvent(ev, c.language(), &schoolbell.PersonalText{})
		}
	}
	slices.SortStableFunc(found.Events, func(a, b *schoolbell.Event) int { return a.StartsAt.Compare(b.StartsAt) })
	return found, nil
}
