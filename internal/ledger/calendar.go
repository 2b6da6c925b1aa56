package ledger

import "schoolbell"

// CalendarFeed names the calendar feed of a user. A feed that is revoked never comes back: the next one of the user has
// another id.
type CalendarFeed struct {
	User int64 // number of the user in the ledger
	ID   int64 // random, greater than 0; 0 for no feed
}

// CalendarEvents are what a calendar feed shows.
type CalendarEvents struct {
	Locale string // of the user, BCP 47; may be empty
	Events []*schoolbell.Event
}
