package panel

import (
	"fmt"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/wire"
)

// countView says what an event would do. The zero value says that it was not counted.
type countView struct {
	Counted  bool
	People   int
	Facts    []countFact
	Channels []channelCount
	Reasons  []reasonCount
	Warnings []string
	Shown    []shownMessage
	Who      string            // name of the person who gets what is shown; empty for anybody
	Problems []site.FieldFault // why it cannot be counted
}

// channelCount says how many people get an event on a channel.
type channelCount struct {
	Name, Icon    string
	Gets, LeftOut int
}

// reasonCount says why people get no message on a channel.
type reasonCount struct {
	Text   string
	People int
}

// shownMessage is a message as somebody would get it.
type shownMessage struct {
	Name, Icon, Subject, Text string
	LeftOut                   string // why the person does not get it; empty if they do
	Template, TemplateURL     string // what it is made from; the URL is empty for those who may not open it
}

// countFact is a line of what sending would do.
type countFact struct{ Name, Text string }

// newCount shows a preview. What depends on the text is left out until there is one.
func (s *Server) newCount(c *site.Call, p *wire.EventPreview, written bool) (countView, error) {
	v := countView{Counted: true, People: p.People, Facts: []countFact{{Name: "Messages", Text: site.Number(p.Messages)}}}
	if f := p.Finish; f != nil {
		v.Facts = append(v.Facts, countFact{Name: "Done in", Text: "about " + site.Roughly(time.Duration(f.Seconds)*time.Second) + ", by " + f.LimitedBy})
	}
	if sms := p.SMS; sms != nil && written {
		v.Facts = append(v.Facts, countFact{Name: "SMS", Text: smsWords(sms)})
	}
	for _, counted := range p.Channels {
		name := site.ChannelName(counted.Channel)
		v.Channels = append(v.Channels, channelCount{name, site.ChannelIcon(counted.Channel), counted.Messages, counted.LeftOut})
		for _, r := range counted.Reasons {
			v.Reasons = append(v.Reasons, reasonCount{name + ": " + site.ReasonWords(r.Reason), r.People})
		}
	}
	v.Warnings = s.countWarnings(p)
	if !written {
		return v, nil
	}
	names, err := s.site.Names(c.Ctx())
	for _, m := range p.Shown {
		v.Shown = append(v.Shown, newShownMessage(c, names, m))
	}
	return v, err
}

func newShownMessage(c *site.Call, names site.Names, m wire.PreviewedMessage) shownMessage {
	shown := shownMessage{Name: site.ChannelName(m.Channel), Icon: site.ChannelIcon(m.Channel), Subject: m.Subject, Text: m.Text}
	if m.LeftOut != "" {
		shown.LeftOut = site.ReasonWords(m.LeftOut)
	}
	t := m.Template
	if t == nil {
		return shown
	}
	shown.Template = fmt.Sprintf("%s, %s, ", names.Category(t.Category).Name, site.LanguageName(t.Locale))
	if t.Version == 0 {
		shown.Template += "standard"
	} else {
		shown.Template += fmt.Sprintf("version %d", t.Version)
	}
	if c.May(schoolbell.ScopeAdmin) {
		shown.TemplateURL = c.ShownRoot() + site.TemplatePath(schoolbell.TemplateKey{Category: t.Category, Channel: m.Channel, Locale: t.Locale})
	}
	return shown
}

// smsWords says what text messages take.
func smsWords(sms *wire.PreviewedSMS) string {
	words := site.Count(sms.Segments, "segment", "segments")
	if sms.Currency != "" {
		words += fmt.Sprintf(", %.2f %s", sms.Amount, sms.Currency)
	}
	if sms.Estimated {
		words = "about " + words
	}
	return words
}

// countWarnings says what a sender should know before an event is sent.
func (s *Server) countWarnings(p *wire.EventPreview) (warnings []string) {
	if p.People == 0 {
		warnings = append(warnings, "Nobody is in this audience.")
	}
	if p.LeftOut > 0 {
		warnings = append(warnings, site.Count(p.LeftOut, "person gets", "people get")+" no message on any channel.")
	}
	people, tags := 0, []string{}
	for _, l := range p.Languages {
		if l.Missing {
			people, tags = people+l.People, append(tags, l.Language)
		}
	}
	if people > 0 {
		warnings = append(warnings, site.Count(people, "person reads", "people read")+" another language ("+strings.Join(tags, ", ")+"). They get the text as it is here.")
	}
	if h := p.Held; h != nil {
		warnings = append(warnings, "Quiet hours hold it for "+site.Count(h.People, "person", "people")+". The last of them get it "+s.site.When(h.Until.Time).Text+".")
	}
	return warnings
}

// Send is what the button of the form says.
func (v composeView) Send() string {
	switch {
	case !v.Count.Counted:
		return "Send"
	case v.Form.SendAt != "":
		return "Schedule for " + site.Count(v.Count.People, "person", "people")
	}
	return "Send to " + site.Count(v.Count.People, "person", "people")
}
