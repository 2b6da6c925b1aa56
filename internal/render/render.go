package render

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/locale"
	"schoolbell/internal/template"
)

// Config says what all messages of an installation share.
type Config struct {
	// Link returns the http or https URL of the page of a message for its recipient, never an empty
	// one. It is called for each message, from several goroutines. Nil means messages without links.
	Link func(eventID string, to ledger.Recipient) string

	// Page returns the URL of a page of an event that is the same for everybody, or an empty one. It is called for each
	// event and language, from several goroutines. Nil means no such pages.
	Page func(eventID string) string

	// Choices returns the URLs at which a recipient changes what reaches them. It is called for each email of a category
	// that people can switch off, and where a template names one of them, from several goroutines. Nil means messages
	// without these links.
	Choices Choices

	// Optional reports whether people can switch the messages of a category off. It is called for each message, from
	// several goroutines. Nil means all of them.
	Optional func(schoolbell.Category) bool

	// School returns the settings of the school as they are now. It is called for each
	// message, from several goroutines. Nil means settings that are empty.
	School func() schoolbell.SchoolSettings

	// Template returns the school's own template for messages of events that started at a time, or nil for the
	// standard one. It is called for each message, from several goroutines, and returns the same pointer for the same
	// version. Nil means the standard templates.
	Template func(key schoolbell.TemplateKey, start time.Time) *schoolbell.Template
}

// Choices makes the links by which people choose what reaches them. Each URL is http or https, and never empty.
type Choices interface {
	// Preferences returns the URL of the page with all choices of a recipient.
	Preferences(to ledger.Recipient) string

	// Unsubscribe returns the URL at which a recipient ends the messages of a category on a channel.
	Unsubscribe(category schoolbell.Category, channel schoolbell.Channel, to ledger.Recipient) string
}

// school is what messages show of the settings of a school.
type school struct {
	name      string // "Schoolbell" when empty
	language  string // language the school writes in, BCP 47; "en" when empty
	timezone  string // of people without one; UTC when empty or unknown
	signature string // text; may be empty
	logo      string // https URL of an image; may be empty
	brand     brand
}

func schoolOf(s schoolbell.SchoolSettings) school {
	return school{
		name:     cmp.Or(strings.TrimSpace(s.Name), "Schoolbell"),
		language: cmp.Or(s.Language, "en"), timezone: s.Timezone, signature: s.Signature, logo: s.Logo, brand: brandOf(s),
	}
}

// home returns the time zone of the school.
func (s school) home() *time.Location { return schoolbell.FirstTimezone(s.timezone) }

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
	page     func(eventID string) string                      // nil for none
	choices  Choices                                          // nil for none
	optional func(schoolbell.Category) bool
	own      func(schoolbell.TemplateKey, time.Time) *schoolbell.Template

	mu       sync.RWMutex
	compiled map[compiledKey]*compiled
	prepared map[preparedKey]*prepared
	digested map[itemKey]*item
	order    []preparedKey // oldest first
}

// maxPrepared bounds how much is kept of what messages share. A worker works few events at a time.
const maxPrepared = 256

// maxCompiled bounds how many templates are kept.
const maxCompiled = 1000

// New returns a renderer, or an error if the standard templates cannot be used with the settings.
func New(cfg Config) (*Renderer, error) {
	r := &Renderer{settings: cfg.School, link: cfg.Link, page: cfg.Page, choices: cfg.Choices, optional: cfg.Optional, own: cfg.Template,
		compiled: map[compiledKey]*compiled{}, prepared: map[preparedKey]*prepared{}, digested: map[itemKey]*item{}}
	if r.settings == nil {
		r.settings = func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{} }
	}
	if r.optional == nil {
		r.optional = func(schoolbell.Category) bool { return true }
	}
	school := schoolOf(r.settings())
	if _, err := r.prepare(&schoolbell.Event{ID: "start", Title: "t", Body: "b"}, school, preparedKey{channel: schoolbell.ChannelEmail, tag: school.language, language: locale.For(school.language), zone: time.UTC}); err != nil {
		return nil, err
	}
	return r, nil
}

// Render makes the message of one delivery, without the address. Its ID is the same at every try. It is in the
// language of the event's text, and has times in the recipient's time zone, or else in the school's.
// An event or reader that no message can be made of gives CodeInvalid; the
// field is a field of the event, or "recipient.…".
func (r *Renderer) Render(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient) (schoolbell.Message, error) {
	if ev == nil || ev.ID == "" {
		return schoolbell.Message{}, schoolbell.Invalid("id", "the event has no id")
	}
	school := schoolOf(r.settings())
	return r.render(ev, ch, to, school, tagFor(ev, to, school))
}

// tagFor returns the language of the message of a recipient: that of the event's text, or of a digest the nearest to the
// recipient's that there is.
func tagFor(ev *schoolbell.Event, to ledger.Recipient, school school) string {
	if ev.Digest {
		return locale.For(cmp.Or(to.Locale, school.language)).Tag
	}
	_, tag := ev.In(cmp.Or(to.Locale, school.language))
	return cmp.Or(tag, school.language)
}

// render makes the message of one delivery from the event's text in a language.
func (r *Renderer) render(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient, school school, tag string) (schoolbell.Message, error) {
	if !schoolbell.IsLine(to.Name) {
		return schoolbell.Message{}, schoolbell.Invalid("recipient.name", "must be one line of text")
	}
	key := r.key(ev, ch, to, school, tag)
	p, err := r.shared(ev, school, key)
	if err != nil {
		return schoolbell.Message{}, err
	}
	m := schoolbell.Message{
		ID:        schoolbell.MessageKey{EventID: ev.ID, User: to.Seq}.String(),
		EventID:   ev.ID,
		UserID:    to.UserID,
		Channel:   ch,
		ToName:    to.Name,
		Category:  ev.Category,
		Lane:      ev.Lane,
		Locale:    tag,
		CreatedAt: ev.CreatedAt,
		ExpiresAt: ev.ExpiresAt,
		Resend:    to.Uncertain,
	}
	if r.link != nil {
		m.Link = r.link(ev.ID, to)
	}
	if key.optional && ch == schoolbell.ChannelEmail {
		m.Unsubscribe = r.choices.Unsubscribe(ev.Category, ch, to)
	}
	var items template.Value
	if len(to.Items) > 0 {
		items = r.items(to, school, key.language)
	}
	return m, p.fill(&m, to, r.others(&m, to, key.optional, items))
}

// key names the messages that share most of their text with that of a recipient.
func (r *Renderer) key(ev *schoolbell.Event, ch schoolbell.Channel, to ledger.Recipient, school school, tag string) preparedKey {
	return preparedKey{
		event: ev.ID, notice: ev.Notice, channel: ch, tag: tag, language: locale.Nearest(tag, to.Locale), zone: schoolbell.FirstTimezone(to.Timezone, school.timezone),
		own: r.ownTemplate(ev, ch, tag), optional: r.choices != nil && r.optional(ev.Category),
	}
}

// ownTemplate returns the school's own template for messages of ev in a language, or nil. Categories that a school has
// added have that of announcements if they have none themselves.
func (r *Renderer) ownTemplate(ev *schoolbell.Event, ch schoolbell.Channel, tag string) *schoolbell.Template {
	if r.own == nil {
		return nil
	}
	start := ev.CreatedAt
	if ev.SendAt.After(start) {
		start = ev.SendAt
	}
	key := schoolbell.TemplateKey{Category: ev.Category, Channel: ch, Locale: tag}
	t := r.own(key, start)
	if t == nil && !builtIn(ev.Category) {
		key.Category = schoolbell.CategoryAnnouncement
		t = r.own(key, start)
	}
	return t
}

func builtIn(category schoolbell.Category) bool {
	return slices.Contains(builtInCategories, category)
}

// builtInCategories are the ids of the built-in categories, which are looked at for each message.
var builtInCategories = idsOf(schoolbell.BuiltInCategories())

func idsOf(categories []schoolbell.CategoryInfo) (ids []schoolbell.Category) {
	for _, c := range categories {
		ids = append(ids, c.ID)
	}
	return ids
}

// others returns the values that differ between recipients and are about neither of them nor of the event. Links are made when a
// template asks for them.
func (r *Renderer) others(m *schoolbell.Message, to ledger.Recipient, optional bool, items template.Value) template.Lookup {
	var preferences, unsubscribe string
	return func(name string) (template.Value, bool) {
		switch name {
		case "link":
			return template.Value{Text: m.Link}, true
		case "items":
			return items, true
		case "layout.preview": // of a digest
			return template.Value{Text: items.Text}, true
		case "preferences":
			if preferences == "" && r.choices != nil {
				preferences = r.choices.Preferences(to)
			}
			return template.Value{Text: preferences}, true
		case "unsubscribe":
			unsubscribe = cmp.Or(unsubscribe, m.Unsubscribe)
			if unsubscribe == "" && optional {
				unsubscribe = r.choices.Unsubscribe(m.Category, m.Channel, to)
			}
			return template.Value{Text: unsubscribe}, true
		}
		return template.Value{}, false
	}
}

// shared returns what the messages of a key share.
func (r *Renderer) shared(ev *schoolbell.Event, school school, key preparedKey) (*prepared, error) {
	r.mu.RLock()
	p := r.prepared[key]
	r.mu.RUnlock()
	if p != nil && p.of(ev, school) {
		return p, nil
	}
	p, err := r.prepare(ev, school, key)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared[key] == nil {
		r.order = append(r.order, key)
	}
	r.prepared[key] = p
	if len(r.order) > maxPrepared {
		delete(r.prepared, r.order[0])
		r.order = append(r.order[:0], r.order[1:]...)
	}
	return p, nil
}
