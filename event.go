package schoolbell

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// EventStatus is where an event stands.
type EventStatus string

const (
	EventScheduled  EventStatus = "scheduled"  // waits for its send_at
	EventQueued     EventStatus = "queued"     // waits for a worker
	EventProcessing EventStatus = "processing" // its audience is being walked or reached
	EventCompleted  EventStatus = "completed"  // every delivery is terminal
	EventCancelled  EventStatus = "cancelled"  // cancelled; messages not sent by then are never sent
	EventHeld       EventStatus = "held"       // open in a ledger that was restored from a backup: nothing is sent until it is released
)

// EventStatuses lists every status of an event.
func EventStatuses() []EventStatus {
	return []EventStatus{EventScheduled, EventQueued, EventProcessing, EventCompleted, EventCancelled, EventHeld}
}

// Terminal reports whether the pipeline has nothing left to do for the event.
func (s EventStatus) Terminal() bool { return s == EventCompleted || s == EventCancelled }

// EventFilter narrows a list of events; empty fields do not.
type EventFilter struct {
	Status EventStatus
	Text   string   // in the title, in upper or lower case, or the id
	Within []string // groups: only events that were created within them, see [Event]
}

// Limits on events.
const (
	MaxTitleLength    = 200    // characters
	MaxBodyLength     = 20_000 // characters
	MaxLocationLength = 200    // characters
	MaxChannels       = 20
	MaxDataSize       = 16 << 10
	MaxRevisions      = 1_000
	MaxAhead          = 5 * 365 * 24 * time.Hour // how far in the future send_at may lie
)

// Event is what happened or will happen at school, written once.
type Event struct {
	ID        string // UUID version 7
	Title     string
	Body      string // plain text, paragraphs separated by empty lines
	Category  Category
	Lane      Lane // that of its category when it was created; the ledger sets it
	Audience  Audience
	Channels  []Channel       // of a new event: nil for those of its category
	Data      json.RawMessage // the caller's own JSON object, handed on unread; nil for none
	ForEach   ForEach         // whom its messages are about; empty for nobody in particular
	Personal  []PersonData    // of a new event only: the ledger gives it to those who render messages
	Location  string
	Texts     map[string]EventText // by language tag (BCP 47): what is sent to readers of other languages
	StartsAt  time.Time            // of the thing itself; zero for none
	EndsAt    time.Time
	SendAt    time.Time // zero: at once
	ExpiresAt time.Time // after this nothing more is sent; zero for never

	// Notice is what a message tells that is written from the event, empty for the message of the event itself. It is not stored:
	// the pipeline takes it from the wave.
	Notice Notice

	// JobID is the id of the job that a program added to a queue to ask for the event. The event's
	// job has this id instead of the event's. It is empty for events that came in another way, for those
	// whose job is in the queue of another lane, and for those that have lost the id to a later job.
	JobID string

	PersonalCount int // of the people whom it has data of; the ledger sets it

	// CreatedWithin are the groups to which the account is limited that creates the event. Only a new event has them: the ledger keeps
	// them to find the events that were created within groups, those whose groups are all among them or below.
	CreatedWithin []string

	Status      EventStatus
	Revision    int // how often it was changed
	CreatedAt   time.Time
	CreatedBy   Actor     // who asked for it
	CompletedAt time.Time // when it became completed or cancelled; zero before
	CancelledAt time.Time // zero for never; an event that is held after a restore may have been cancelled before

	// Digest says that the event is a digest that the program made. Its audience is empty: it goes to those who have items of it.
	Digest bool

	// DeliveriesRemovedAt is when the ledger began to remove its deliveries because they were
	// old; zero before. Progress stays as it was then.
	DeliveriesRemovedAt time.Time
}

// Cancelled reports whether the event was cancelled. An event is both cancelled and held in a ledger that was restored
// while people were being told of the cancellation.
func (e *Event) Cancelled() bool { return e.Status == EventCancelled || !e.CancelledAt.IsZero() }

// Normalize fills defaults, drops what is said twice and cuts times to
// milliseconds in UTC. Call it before Validate.
func (e *Event) Normalize() {
	e.Title = strings.TrimSpace(e.Title)
	e.Body = NormalizeText(e.Body)
	e.Location = strings.TrimSpace(e.Location)
	if e.Category == "" {
		e.Category = CategoryAnnouncement
	}
	e.normalizeTexts()
	e.Audience.normalize()
	e.Channels = unique(e.Channels)
	if bytes.Equal(bytes.TrimSpace(e.Data), []byte("null")) {
		e.Data = nil
	}
	for _, t := range []*time.Time{&e.StartsAt, &e.EndsAt, &e.SendAt, &e.ExpiresAt} {
		*t = Time(*t)
	}
}

// Validate reports everything that is wrong with e at the time now as
// [Faults]. Whether its category, and the groups and users of its audience exist, the
// ledger knows.
func (e *Event) Validate(now time.Time) error {
	var f Faults
	checkLine(&f, "title", e.Title, MaxTitleLength, true)
	checkText(&f, "body", e.Body, MaxBodyLength)
	if !e.Category.Valid() {
		f.Add("category", categoryFault)
	}
	e.Audience.validate(&f)
	if e.Channels != nil {
		checkChannels(&f, "channels", e.Channels)
	}
	checkData(&f, e.Data)
	checkLine(&f, "location", e.Location, MaxLocationLength, false)
	e.validateTexts(&f)
	e.validatePersonal(&f)
	e.validateTimes(&f, now)
	return f.Err()
}

func (e *Event) validateTimes(f *Faults, now time.Time) {
	checkTime(f, "starts_at", e.StartsAt)
	checkTime(f, "ends_at", e.EndsAt)
	checkTime(f, "send_at", e.SendAt)
	checkTime(f, "expires_at", e.ExpiresAt)
	if !e.EndsAt.IsZero() {
		switch {
		case e.StartsAt.IsZero():
			f.Add("ends_at", "needs a starts_at")
		case e.EndsAt.Before(e.StartsAt):
			f.Add("ends_at", "must not be before starts_at")
		}
	}
	if e.SendAt.After(now.Add(MaxAhead)) {
		f.Add("send_at", "must be within five years")
	}
	if e.ExpiresAt.IsZero() {
		return
	}
	switch {
	case !e.SendAt.IsZero() && !e.ExpiresAt.After(e.SendAt):
		f.Add("expires_at", "must be after send_at")
	case !e.ExpiresAt.After(now):
		f.Add("expires_at", "must be in the future")
	}
}

func checkData(f *Faults, data json.RawMessage) {
	if len(data) == 0 {
		return
	}
	switch trimmed := bytes.TrimSpace(data); {
	case len(data) > MaxDataSize:
		f.Add("data", "must be at most %d bytes", MaxDataSize)
	case !json.Valid(data) || len(trimmed) == 0 || trimmed[0] != '{':
		f.Add("data", "must be a JSON object")
	}
}
