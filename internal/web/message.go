package web

import (
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/internal/render"
)

var messageTemplate = parse("message.html")

// MarkField is the field of the form of a message page; its value is an outcome, read or acknowledged.
const MarkField = "mark"

// Message is what the page of one message shows.
type Message struct {
	Title     string
	Body      string // plain text, paragraphs separated by empty lines
	Language  string // of title, body and place, BCP 47
	Urgent    bool
	Cancelled bool
	SentAt    time.Time
	StartsAt  time.Time // of the event itself; zero for none
	EndsAt    time.Time
	Zone      *time.Location // in which times are shown
	Place     string         // empty for none

	Done schoolbell.Outcome // what the recipient has said already: read, acknowledged or nothing
	Asks schoolbell.Outcome // what the button says: read or acknowledged
}

// messageView is what the template sees.
type messageView struct {
	Message
	Paragraphs []render.Paragraph
	Sent       moment
	When       *span
}

// Acknowledge reports whether the button confirms the message.
func (m Message) Acknowledge() bool { return m.Asks == schoolbell.OutcomeAcknowledged }

// Acknowledged reports whether the recipient has confirmed the message.
func (m Message) Acknowledged() bool { return m.Done == schoolbell.OutcomeAcknowledged }

// Open reports whether the button can still say something.
func (m Message) Open() bool {
	return !m.Cancelled && m.Done != m.Asks && m.Done != schoolbell.OutcomeAcknowledged
}

// Message answers with the page of a message.
func (f Frame) Message(w http.ResponseWriter, m Message) error {
	v := messageView{Message: m, Paragraphs: render.Paragraphs(m.Body), Sent: f.Words.moment(m.SentAt.In(m.Zone))}
	if !m.StartsAt.IsZero() {
		v.When = f.Words.span(m.StartsAt, m.EndsAt, m.Zone)
	}
	return f.write(w, http.StatusOK, messageTemplate, m.Title, v)
}
