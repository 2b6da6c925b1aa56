package wire

import (
	"encoding/json"

	"schoolbell"
)

// NewEvent is an event to be created. Zero fields are left out.
type NewEvent struct {
	Title     string                          `json:"title" doc:"One line, at most 200 characters." example:"Sports day moved to Friday"`
	Body      string                          `json:"body" doc:"Plain text, at most 20,000 characters; an empty line separates paragraphs." example:"Because of the rain, sports day is on Friday at nine."`
	Category  schoolbell.Category             `json:"category,omitempty" doc:"Category, announcement by default. Users cannot opt out of mandatory categories, such as urgent and attendance."`
	Audience  schoolbell.Audience             `json:"audience" doc:"Recipients: everybody that a part selects, each once, except those that exclude selects."`
	Channels  []schoolbell.Channel            `json:"channels,omitzero" nullable:"false" maxItems:"20" doc:"Channels, those of the category by default."`
	Data      json.RawMessage                 `json:"data,omitempty" doc:"An object of your own, at most 16 KiB, which the inbox returns unchanged."`
	Location  string                          `json:"location,omitempty" doc:"Where the event takes place."`
	Texts     map[string]schoolbell.EventText `json:"texts,omitempty" doc:"Title, body and location in other languages, by language tag such as es or pt-BR. Readers get the text in the language of their locale, or else title and body."`
	ForEach   schoolbell.ForEach              `json:"for_each,omitempty" enum:"student" doc:"student: each guardian is told about their own of the students whom guardians_of selects."`
	Personal  []schoolbell.PersonData         `json:"personal,omitempty" maxItems:"10000" doc:"Data of single people for their messages, 4 MiB in all: of recipients, or of students whose guardians are told. Title and body may have names for it, such as {{data.reason}}, {{students}} and {{user.name}}."`
	StartsAt  Time                            `json:"starts_at,omitzero" doc:"When the event starts."`
	EndsAt    Time                            `json:"ends_at,omitzero" doc:"When the event ends."`
	SendAt    Time                            `json:"send_at,omitzero" doc:"When to send the messages. At once if left out or past."`
	ExpiresAt Time                            `json:"expires_at,omitzero" doc:"Nothing is sent after this time."`
}

// Event returns the event to create. Nil channels mean those of the category; an empty
// list is not valid.
func (in *NewEvent) Event() *schoolbell.Event {
	return &schoolbell.Event{Title: in.Title, Body: in.Body, Category: in.Category, Audience: in.Audience, Channels: in.Channels,
		Data: in.Data, Location: in.Location, Texts: in.Texts, ForEach: in.ForEach, Personal: in.Personal, StartsAt: in.StartsAt.Time, EndsAt: in.EndsAt.Time,
		SendAt: in.SendAt.Time, ExpiresAt: in.ExpiresAt.Time}
}

// Event is an event as the server shows it.
type Event struct {
	ID                  string                          `json:"id"`
	Status              schoolbell.EventStatus          `json:"status"`
	Title               string                          `json:"title"`
	Body                string                          `json:"body"`
	Category            schoolbell.Category             `json:"category"`
	Lane                schoolbell.Lane                 `json:"lane" doc:"Lane of the category when the event was created."`
	Audience            schoolbell.Audience             `json:"audience"`
	Channels            []schoolbell.Channel            `json:"channels"`
	Data                json.RawMessage                 `json:"data,omitempty"`
	Location            string                          `json:"location,omitempty"`
	Texts               map[string]schoolbell.EventText `json:"texts,omitempty" doc:"Title, body and location in other languages, by language tag."`
	ForEach             schoolbell.ForEach              `json:"for_each,omitempty" enum:"student"`
	PersonalCount       int                             `json:"personal_count,omitempty" doc:"Number of people whom the event has data of."`
	StartsAt            Time                            `json:"starts_at,omitzero"`
	EndsAt              Time                            `json:"ends_at,omitzero"`
	SendAt              Time                            `json:"send_at,omitzero"`
	ExpiresAt           Time                            `json:"expires_at,omitzero"`
	Revision            int                             `json:"revision,omitempty" doc:"How often the event was changed."`
	Wave                int                             `json:"wave,omitempty" doc:"In the answer to an update, or to a cancellation with notify: the wave that tells those whom the event has reached. None if there is nobody to tell."`
	CreatedBy           *Actor                          `json:"created_by,omitempty" doc:"The key, user, queue or command that created the event."`
	JobID               string                          `json:"job_id,omitempty" doc:"Id of the job that asked for the event, if it is the event's job in the queue. The job of other events has the event's id."`
	CreatedAt           Time                            `json:"created_at"`
	CompletedAt         Time                            `json:"completed_at,omitzero" doc:"When the event was completed or cancelled."`
	Digest              bool                            `json:"digest,omitempty" doc:"The program made it of the messages that people want in a digest. It goes to these people; its audience is empty."`
	DeliveriesRemovedAt Time                            `json:"deliveries_removed_at,omitzero" doc:"When the deliveries were removed because they were old. Their counts in progress stay."`
	Progress            *schoolbell.Progress            `json:"progress,omitempty" doc:"Counted from the deliveries. Not in lists."`
	Costs               *Costs                          `json:"costs,omitempty" doc:"Estimate of what the event takes by text message. Not in lists."`
}

// EventOf shows ev without its progress.
func EventOf(ev *schoolbell.Event) *Event {
	out := &Event{ID: ev.ID, Status: ev.Status, Title: ev.Title, Body: ev.Body, Category: ev.Category, Lane: ev.Lane,
		Audience: ev.Audience, Channels: ev.Channels, Data: ev.Data, Location: ev.Location, Texts: ev.Texts, ForEach: ev.ForEach, PersonalCount: ev.PersonalCount,
		StartsAt: At(ev.StartsAt), EndsAt: At(ev.EndsAt), SendAt: At(ev.SendAt), ExpiresAt: At(ev.ExpiresAt),
		Revision: ev.Revision, JobID: ev.JobID, CreatedAt: At(ev.CreatedAt), CompletedAt: At(ev.CompletedAt), Digest: ev.Digest, DeliveriesRemovedAt: At(ev.DeliveriesRemovedAt)}
	if ev.CreatedBy.Kind != "" {
		by := ActorOf(schoolbell.Actor{Kind: ev.CreatedBy.Kind, ID: ev.CreatedBy.ID})
		out.CreatedBy = &by
	}
	return out
}

// EventPage is one page of events, newest first.
type EventPage struct {
	Events []*Event `json:"events"`
	Next   string   `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// EventProgress says how far an event is, as its live stream does.
type EventProgress struct {
	ID       string                 `json:"id"`
	Status   schoolbell.EventStatus `json:"status"`
	Progress schoolbell.Progress    `json:"progress"`
}

// ReleaseHeld asks for all held events to be released.
type ReleaseHeld struct {
	Held int `json:"held" minimum:"1" doc:"Number of held events. If there is another number of them, none is released."`
}

// Released says how many events were released.
type Released struct {
	Released int `json:"released"`
}

// RetryEvent says which of the failed deliveries of an event are retried. What is absent does not narrow them.
type RetryEvent struct {
	Channel schoolbell.Channel `json:"channel,omitempty" doc:"Only those on this channel."`
	Reasons []string           `json:"reasons,omitempty" minItems:"1" maxItems:"100" doc:"Only those with one of these reasons, each as the deliveries have it."`
}

// Filter is r as the ledger takes it.
func (r *RetryEvent) Filter() schoolbell.RetryFilter {
	if r == nil {
		return schoolbell.RetryFilter{}
	}
	return schoolbell.RetryFilter{Channel: r.Channel, Reasons: r.Reasons}
}

// Retried says what retrying an event did.
type Retried struct {
	ID      string `json:"id"`
	Retried int    `json:"retried" doc:"Number of failed deliveries that are retried."`
}
