package render

import (
	"cmp"
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/internal/calendar"
	"schoolbell/internal/ledger"
	"schoolbell/internal/locale"
	"schoolbell/internal/personal"
	"schoolbell/internal/template"
)

// preparedKey names messages that share most of their text.
type preparedKey struct {
	event    string // id
	channel  schoolbell.Channel
	notice   schoolbell.Notice
	tag      string           // of the event's text, BCP 47
	language *locale.Language // of that text, or the nearest that there is
	zone     *time.Location
	own      *schoolbell.Template // of the school; nil for the standard one
	optional bool                 // people can switch the category off, and there are links to do so
}

// prepared is what the messages of one key share.
type prepared struct {
	source   schoolbell.Event // to see whether it is still the same event
	school   school           // and whether the school's settings are still the same
	language *locale.Language

	title, body   *personal.Text // of the event, if names of single people are in them; else nil
	namesStudents bool           // the title

	subject, text, html *part // nil for none
	longest             int   // of text, in characters; 0 for no limit

	calendar schoolbell.Content // the event for calendars; empty for none
}

// of reports whether p was made from what ev and the settings of the school say.
func (p *prepared) of(ev *schoolbell.Event, school school) bool {
	return p.school == school && sameText(&p.source, ev) && p.source.Personalized() == ev.Personalized() && p.source.Revision == ev.Revision &&
		p.source.Cancelled() == ev.Cancelled()
}

// part is one text of the messages.
type part struct {
	bound  *template.Bound
	shared *schoolbell.Shared
}

func newPart(t *template.Template, values template.Lookup) (*part, error) {
	if t == nil {
		return nil, nil
	}
	bound, err := t.Bind(values)
	if err != nil {
		return nil, schoolbell.Invalid("body", "%v", err)
	}
	return &part{bound: bound, shared: &schoolbell.Shared{Pieces: bound.Pieces}}, nil
}

func (p *part) content(values template.Lookup) (schoolbell.Content, error) {
	if p == nil {
		return schoolbell.Content{}, nil
	}
	filled, err := p.bound.Fill(values)
	return schoolbell.Content{Shared: p.shared, Values: filled}, err
}

// fill writes the texts of one message.
func (p *prepared) fill(m *schoolbell.Message, to ledger.Recipient, others template.Lookup) error {
	values, err := p.recipientValues(to, others)
	if err != nil {
		return err
	}
	subject, err := p.subject.content(values)
	if err != nil {
		return err
	}
	m.Subject = line(subject.String())
	if p.calendar.Shared != nil {
		m.Calendar, m.CalendarMethod = p.calendar, calendarMethod(p.source.Notice)
	}
	if m.HTML, err = p.html.content(values); err != nil {
		return err
	}
	if m.Text, err = p.text.content(values); err != nil {
		return err
	}
	if p.longest > 0 {
		m.Text = schoolbell.Plain(shorten(m.Text.String(), p.longest))
	}
	return nil
}

// calendar returns an event for calendars, which the messages in one language share.
func (r *Renderer) calendar(ev *schoolbell.Event, said schoolbell.EventText) schoolbell.Content {
	entry := calendar.EntryOf(ev, said)
	if r.page != nil {
		entry.URL = r.page(ev.ID)
	}
	return schoolbell.Plain(string(calendar.Calendar{Method: calendarMethod(ev.Notice), Entries: []calendar.Entry{entry}}.Append(nil)))
}

// calendarMethod returns what calendars do with the event of a message.
func calendarMethod(notice schoolbell.Notice) string {
	if notice == schoolbell.NoticeCancelled {
		return calendar.Cancel
	}
	return calendar.Publish
}

// line makes one line of a text.
func line(s string) string {
	if strings.ContainsAny(s, "\r\n") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return s
}

// prepare makes what the messages of a key share.
func (r *Renderer) prepare(ev *schoolbell.Event, school school, key preparedKey) (*prepared, error) {
	said, _ := ev.In(key.tag)
	plain := said
	said = noticed(said, ev.Notice, key.language)
	if ev.Digest { // it has no text of its own
		said.Title = wordsOf[key.language.Tag]["digest_title"]
	}
	if err := check(said, school); err != nil {
		return nil, err
	}
	t, err := r.template(ev.Category, school.brand, key)
	if err != nil {
		return nil, err
	}
	p := &prepared{source: *ev, school: school, language: key.language}
	if err := p.parseEvent(ev, said); err != nil {
		return nil, err
	}
	switch key.channel {
	case schoolbell.ChannelSMS:
		p.longest = maxSMS
	case schoolbell.ChannelPush:
		p.longest = maxPush
	}
	if key.channel == schoolbell.ChannelEmail && !ev.StartsAt.IsZero() {
		p.calendar = r.calendar(ev, toNobody(ev, plain, key.tag))
	}
	values := p.without(r.values(ev, said, school, key))
	for _, x := range []struct {
		to   **part
		from *template.Template
	}{{&p.subject, t.subject}, {&p.text, t.text}, {&p.html, t.html}} {
		if *x.to, err = newPart(x.from, values); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// noticed returns the text of an event as a notice tells it.
func noticed(said schoolbell.EventText, notice schoolbell.Notice, l *locale.Language) schoolbell.EventText {
	if notice == "" {
		return said
	}
	words := wordsOf[l.Tag]
	said.Title = strings.Replace(words[string(notice)+"_title"], "%s", said.Title, 1)
	said.Body = words[string(notice)+"_body"] + "\n\n" + said.Body
	return said
}

// compiledKey names a template in the looks of a school.
type compiledKey struct {
	category schoolbell.Category
	channel  schoolbell.Channel
	language *locale.Language
	brand    brand
	own      *schoolbell.Template
}

// template returns the template of the messages of a key. Compiling it takes about a millisecond, so it is kept.
func (r *Renderer) template(category schoolbell.Category, b brand, key preparedKey) (*compiled, error) {
	k := compiledKey{category, key.channel, key.language, b, key.own}
	r.mu.RLock()
	t := r.compiled[k]
	r.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	c, err := newCompiler(k.language, k.brand)
	if err != nil {
		return nil, err
	}
	text := Standard(k.category, k.channel, k.language)
	if k.own != nil {
		text = k.own.TemplateText
	}
	if t, err = c.compile(k.channel, text); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.compiled) >= maxCompiled {
		clear(r.compiled)
	}
	r.compiled[k] = t
	return t, nil
}

// check reports what no message can be made of.
func check(said schoolbell.EventText, school school) error {
	if err := school.check(); err != nil {
		return err
	}
	for field, s := range map[string]string{"title": said.Title, "location": said.Location} {
		if !schoolbell.IsLine(s) {
			return schoolbell.Invalid(field, "must be one line of text")
		}
	}
	if !schoolbell.IsText(said.Body) {
		return schoolbell.Invalid("body", "must be text without control characters")
	}
	return nil
}

// values returns the values that the messages of a key share.
func (r *Renderer) values(ev *schoolbell.Event, said schoolbell.EventText, school school, key preparedKey) template.Lookup {
	l := key.language
	summary := strings.Join(strings.Fields(said.Body), " ")
	initial, _ := utf8.DecodeRuneInString(school.name)
	v := template.Values{
		"school.name":       {Text: school.name},
		"school.logo":       {Text: school.logo},
		"school.signature":  block(school.signature),
		"event.title":       {Text: said.Title},
		"event.body":        block(said.Body),
		"event.summary":     {Text: summary},
		"event.location":    {Text: said.Location},
		"event.when":        {},
		"event.date":        {},
		"event.time":        {},
		"layout.language":   {Text: key.tag},
		"layout.dir":        {Text: l.Dir()},
		"layout.preview":    {Text: shorten(summary, previewLength)},
		"layout.initial":    {Text: strings.ToUpper(string(initial))},
		"layout.label":      {Text: label(ev.Category, l)},
		"layout.urgent":     flag(ev.Category == schoolbell.CategoryUrgent),
		"layout.attendance": flag(ev.Category == schoolbell.CategoryAttendance),
		"layout.details":    flag(!ev.StartsAt.IsZero() || said.Location != ""),
		"layout.calendar":   {},
		"layout.button":     flag(r.link != nil && !ev.Digest), // its items have links
		"layout.choices":    flag(r.choices != nil),
		"layout.optional":   flag(key.optional),
	}
	if ev.Digest {
		v["layout.label"] = template.Value{Text: label(ev.Category, l) + " · " + l.Date(ev.CreatedAt.In(key.zone))}
		delete(v, "layout.preview") // it is personal
	}
	if !ev.StartsAt.IsZero() {
		when := l.Span(ev.StartsAt, ev.EndsAt, key.zone, school.home())
		if key.channel != schoolbell.ChannelEmail {
			when = l.ShortSpan(ev.StartsAt, ev.EndsAt, key.zone)
		}
		v["event.when"] = template.Value{Text: when}
		v["event.date"] = template.Value{Text: l.Date(ev.StartsAt.In(key.zone))}
		v["event.time"] = template.Value{Text: l.Times(ev.StartsAt, ev.EndsAt, key.zone, school.home())}
		if key.channel == schoolbell.ChannelEmail {
			v["layout.calendar"] = template.Value{Text: wordsOf[l.Tag]["calendar_"+cmp.Or(string(ev.Notice), "new")]}
		}
	}
	return func(name string) (template.Value, bool) {
		value, ok := v[name]
		return value, ok
	}
}

func flag(on bool) template.Value {
	if on {
		return template.Value{Text: "yes"}
	}
	return template.Value{}
}

// label is what stands above the title: the kind of message. Urgent and attendance messages have a band instead.
func label(category schoolbell.Category, l *locale.Language) string {
	switch category {
	case schoolbell.CategoryUrgent, schoolbell.CategoryAttendance:
		return ""
	case schoolbell.CategoryEvent, schoolbell.CategoryReminder, schoolbell.CategoryDigest:
		return wordsOf[l.Tag][string(category)]
	}
	return wordsOf[l.Tag]["announcement"]
}

// block is a text with paragraphs.
func block(text string) template.Value {
	text = strings.Trim(text, "\n")
	return template.Value{Text: text, HTML: paragraphsHTML(text)}
}
