package schoolbell

import "time"

// InboxItem is one event in one user's in-app inbox.
type InboxItem struct {
	Position  int64 // grows with arrival over the whole ledger, in the order of commit
	EventID   string
	Title     string
	Body      string
	Category  Category
	Data      []byte // the event's data object; nil for none
	Location  string
	Language  string // of title, body and location, BCP 47; empty for the school's
	StartsAt  time.Time
	EndsAt    time.Time
	ArrivedAt time.Time
	ReadAt    time.Time     // zero while unread
	AckedAt   time.Time     // when the user acknowledged the event; zero before
	Personal  *PersonalText // of the user, if title and body may have names to be filled in; nil otherwise
	Cancelled bool          // the event was cancelled after it arrived
}
