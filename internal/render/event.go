package render

import (
	"embed"
	htmltemplate "html/template"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"
	"unicode"

	"schoolbell"
)

//go:embed templates/*.tmpl
var files embed.FS

var (
	emailHTML = htmltemplate.Must(htmltemplate.ParseFS(files, "templates/email.html.tmpl"))
	emailText = texttemplate.Must(texttemplate.ParseFS(files, "templates/email.txt.tmpl"))
)

// rendered is what all messages of one event share.
type rendered struct {
	source  schoolbell.Event // to see whether it is still the same event
	school  school           // and whether the school's settings are still the same
	subject string
	html    pattern
	text    pattern

	mu    sync.Mutex
	whens map[*time.Location]when
}

// when is the event's time in one time zone.
type when struct{ text, html string }

// maxZones bounds the time zones remembered for one event.
const maxZones = 100

// of reports whether e was rendered from what ev and the settings of the school say.
func (e *rendered) of(ev *schoolbell.Event, school school) bool {
	s := &e.source
	return e.school == school && s.Title == ev.Title && s.Body == ev.Body && s.Category == ev.Category && s.Location == ev.Location &&
		s.StartsAt.Equal(ev.StartsAt) && s.EndsAt.Equal(ev.EndsAt)
}

// badge is how a category looks.
type badge struct {
	Label  string
	Strong htmltemplate.CSS // colour that white text can be read on
}

var badges = map[schoolbell.Category]badge{
	schoolbell.CategoryAnnouncement: {"Announcement", "#1c5fb8"},
	schoolbell.CategoryEvent:        {"Event", "#1a7346"},
	schoolbell.CategoryAttendance:   {"Attendance", "#8a5200"},
	schoolbell.CategoryUrgent:       {"Urgent", "#b3261e"},
	schoolbell.CategoryDigest:       {"Digest", "#52606d"},
}

// view is what the templates see.
type view struct {
	Language   string
	School     string
	Title      string
	Heading    string // the title, marked when urgent
	Preview    string // beginning of the body, for lists of emails
	Badge      badge
	Name       string // slot
	When       string // slot, or empty when the event has no time
	Location   string
	Body       string
	Paragraphs []Paragraph
	Signature  string
	Signed     []Paragraph // the signature
	Link       string      // slot, or empty when messages have no links
	Why        string      // why the reader gets this
}

func (r *Renderer) render(ev *schoolbell.Event, school school) (*rendered, error) {
	if err := school.check(); err != nil {
		return nil, err
	}
	for field, s := range map[string]string{"title": ev.Title, "location": ev.Location} {
		if !schoolbell.IsLine(s) {
			return nil, schoolbell.Invalid(field, "must be one line of text")
		}
	}
	if !schoolbell.IsText(ev.Body) {
		return nil, schoolbell.Invalid("body", "must be text without control characters")
	}
	v := r.view(ev, school)
	var html, text strings.Builder
	if err := emailHTML.Execute(&html, v); err != nil {
		return nil, wrapTemplate(emailHTML.Name(), err)
	}
	if err := emailText.Execute(&text, v); err != nil {
		return nil, wrapTemplate(emailText.Name(), err)
	}
	return &rendered{
		source:  *ev,
		school:  school,
		subject: v.Heading,
		html:    r.slots.split(html.String()),
		text:    r.slots.split(text.String()),
		whens:   map[*time.Location]when{},
	}, nil
}

func (r *Renderer) view(ev *schoolbell.Event, school school) view {
	b, ok := badges[ev.Category]
	if !ok {
		b = badges[schoolbell.CategoryAnnouncement]
	}
	v := view{
		Language:   school.language,
		School:     school.name,
		Title:      ev.Title,
		Heading:    heading(ev),
		Preview:    shorten(strings.Join(strings.Fields(ev.Body), " "), 140),
		Badge:      b,
		Name:       r.slots[slotName],
		Location:   ev.Location,
		Body:       strings.Trim(ev.Body, "\n"),
		Paragraphs: Paragraphs(ev.Body),
		Signature:  school.signature,
		Signed:     Paragraphs(school.signature),
		Why:        "You get this message because " + school.name + " has this address for you. It was sent automatically.",
	}
	if !ev.StartsAt.IsZero() {
		v.When = r.slots[slotWhen]
	}
	if r.link != nil {
		v.Link = r.slots[slotLink]
	}
	return v
}

func heading(ev *schoolbell.Event) string {
	if ev.Category == schoolbell.CategoryUrgent {
		return "[Urgent] " + ev.Title
	}
	return ev.Title
}

// when returns the event's time in this time zone.
func (r *Renderer) when(e *rendered, loc *time.Location) when {
	if e.source.StartsAt.IsZero() {
		return when{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w, ok := e.whens[loc]
	if !ok {
		w.text = span(e.source.StartsAt, e.source.EndsAt, loc)
		w.html = escape(w.text)
		if len(e.whens) < maxZones {
			e.whens[loc] = w
		}
	}
	return w
}

// span writes a time, or the time from start to end, so that it is read the
// same everywhere: "Fri 4 Dec 2026, 09:30–11:00 (Europe/London)".
func span(start, end time.Time, loc *time.Location) string {
	const day, clock = "Mon 2 Jan 2006", "15:04"
	start = start.In(loc)
	s := start.Format(day + ", " + clock)
	if !end.IsZero() && !end.Equal(start) {
		end = end.In(loc)
		if end.Format(day) == start.Format(day) {
			s += "–" + end.Format(clock)
		} else {
			s += " – " + end.Format(day+", "+clock)
		}
	}
	return s + " (" + loc.String() + ")"
}

func escape(s string) string { return htmltemplate.HTMLEscapeString(s) }

// shorten cuts s to at most limit characters, at a word's end where one is near.
func shorten(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	cut := string(runes[:limit-1])
	if i := strings.LastIndexFunc(cut, unicode.IsSpace); i > len(cut)*3/4 {
		cut = cut[:i]
	}
	return strings.TrimRightFunc(cut, unicode.IsSpace) + "…"
}
