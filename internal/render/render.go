package render

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Config says what all messages of an installation share.
type Config struct {
	// Link returns the http or https URL of the page of a message for its recipient, never an empty
	// one. It is called for each message, from several goroutines. Nil means messages without links.
	Link func(eventID string, to ledger.Recipient) string

	// School returns the settings of the school as they are now. It is called for each
	// message, from several goroutines. Nil means settings that are empty.
	School func() schoolbell.SchoolSettings
}

// school is what messages show of the settings of a school.
type school struct {
	name      string // "Schoolbell" when empty
	language  string // language the school writes in, BCP 47; "en" when empty
	timezone  string // of people without one; UTC when empty or unknown
	signature string // text; may be empty
}

func schoolOf(s schoolbell.SchoolSettings) school {
	return school{
		name:     cmp.Or(strings.TrimSpace(s.Name), "Schoolbell"),
		language: cmp.Or(s.Language, "en"), timezone: s.Timezone, signature: s.Signature,
	}
}

// check reports settings that no message can be made of.
func (s school) check() error {
	if !schoolbell.IsLine(s.name) {
		return schoolbell.Invalid("school_name", "must be one line of text")
	}
	if !schoolbell.IsText(s.signature) {
		return schoolbell.Invalid("school_signature", "must be text without control characters")
	}
	return nil
}

// Renderer makes messages. It is safe for concurrent use.
type Renderer struct {
	settings func() schoolbell.SchoolSettings
	link     func(eventID string, to ledger.Recipient) string // nil for no links
	slots    slots
	zones    zones

	mu     sync.RWMutex
	events map[string]*rendered // by event id
	order  []string             // of events, oldest first
}

// maxEvents bounds the events whose common parts are kept. A worker works few at a time.
const maxEvents = 64

// New returns a renderer, or an error if cfg makes no sense.
func New(cfg Config) (*Renderer, error) {
	r := &Renderer{
		settings: cfg.School,
		link:     cfg.Link,
		slots:    newSlots(),
		events:   map[string]*rendered{},
	}
	if r.settings == nil {
		r.settings = func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{} }
	}
	// A template that does not fit its data shows here and not at the first event.
	if _, err := r.render(&schoolbell.Event{ID: "start", Title: "t", Body: "b"}, schoolOf(r.settings())); err != nil {
		return nil, err
	}
	return r, nil
}

// Render makes the message of one delivery, without the address. Its ID is the same at every try. It is in the
// school's language, and has times in the recipient's time zone, or else in the school's.
// An event or reader that no message can be made of gives CodeInvalid; the
// field is a field of the event, or "recipient.…".
func (r *Renderer) Render(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (schoolbell.Message, error) {
	if ev == nil || ev.ID == "" {
		return schoolbell.Message{}, schoolbell.Invalid("id", "the event has no id")
	}
	if !schoolbell.IsLine(to.Name) {
		return schoolbell.Message{}, schoolbell.Invalid("recipient.name", "must be one line of text")
	}
	school := schoolOf(r.settings())
	common, err := r.event(ev, school)
	if err != nil {
		return schoolbell.Message{}, err
	}
	m := schoolbell.Message{
		ID:        schoolbell.MessageKey{EventID: ev.ID, User: to.Seq}.String(),
		EventID:   ev.ID,
		UserID:    to.UserID,
		Channel:   ch,
		ToName:    to.Name,
		Subject:   common.subject,
		Category:  ev.Category,
		Lane:      ev.Lane,
		Locale:    school.language,
		CreatedAt: ev.CreatedAt,
		ExpiresAt: ev.ExpiresAt,
		Resend:    to.Uncertain,
	}
	if r.link != nil {
		m.Link = r.link(ev.ID, to)
	}
	when := r.when(common, r.zones.first(to.Timezone, school.timezone))
	switch ch {
	case schoolbell.ChannelEmail:
		m.Text = common.text.fill(slots{greet(to.Name), when.text, m.Link})
		m.HTML = common.html.fill(slots{escape(greet(to.Name)), when.html, escape(m.Link)})
	case schoolbell.ChannelSMS:
		m.Text = sms(ev, school.name, common.subject, when.text)
	case schoolbell.ChannelPush:
		m.Text = push(ev, when.text)
	default:
		m.Text = common.text.fill(slots{greet(to.Name), when.text, m.Link})
	}
	return m, nil
}

// greet is what follows "Hello".
func greet(name string) string {
	if name = strings.TrimSpace(name); name == "" {
		return ""
	}
	return " " + name
}

// event returns what the messages of ev share.
func (r *Renderer) event(ev *schoolbell.Event, school school) (*rendered, error) {
	r.mu.RLock()
	e := r.events[ev.ID]
	r.mu.RUnlock()
	if e != nil && e.of(ev, school) {
		return e, nil
	}
	e, err := r.render(ev, school)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events[ev.ID] == nil {
		r.order = append(r.order, ev.ID)
	}
	r.events[ev.ID] = e
	if len(r.order) > maxEvents {
		delete(r.events, r.order[0])
		r.order = append(r.order[:0], r.order[1:]...)
	}
	return e, nil
}

// Places in what is rendered once that differ between readers.
const (
	slotName = iota
	slotWhen
	slotLink
	slotCount
)

// slots are texts for the places: what stands there, or in the renderer the marks of them. Marks are
// random, so that nobody can write them into an event.
type slots [slotCount]string

func newSlots() (marks slots) {
	for i := range marks {
		marks[i] = "slot" + rand.Text()
	}
	return marks
}

// pattern is text with slots.
type pattern struct {
	pieces []string // between the slots
	slots  []int    // which slot follows each piece but the last
	size   int      // of all pieces
}

func (s slots) split(text string) pattern {
	var p pattern
	for {
		at, slot := -1, 0
		for i, mark := range s {
			if found := strings.Index(text, mark); found >= 0 && (at < 0 || found < at) {
				at, slot = found, i
			}
		}
		if at < 0 {
			p.pieces = append(p.pieces, text)
			p.size += len(text)
			return p
		}
		p.pieces = append(p.pieces, text[:at])
		p.slots = append(p.slots, slot)
		p.size += at
		text = text[at+len(s[slot]):]
	}
}

func (p pattern) fill(values slots) string {
	size := p.size
	for _, slot := range p.slots {
		size += len(values[slot])
	}
	var b strings.Builder
	b.Grow(size)
	for i, piece := range p.pieces {
		b.WriteString(piece)
		if i < len(p.slots) {
			b.WriteString(values[p.slots[i]])
		}
	}
	return b.String()
}

// zones remembers time zones: loading one reads a file. There are some 600.
type zones struct{ known sync.Map } // name -> *time.Location

// first returns the first of the zones that there is, or UTC.
func (z *zones) first(names ...string) *time.Location {
	for _, name := range names {
		if l := z.get(name); l != nil {
			return l
		}
	}
	return time.UTC
}

// get returns the zone of this name, or nil for a name that there is none of.
func (z *zones) get(name string) *time.Location {
	if l, ok := z.known.Load(name); ok {
		return l.(*time.Location)
	}
	l, err := time.LoadLocation(name)
	if err != nil || !schoolbell.ValidTimezone(name) {
		return nil
	}
	z.known.Store(name, l)
	return l
}

func wrapTemplate(name string, err error) error {
	return fmt.Errorf("render template %s: %w", name, err)
}
