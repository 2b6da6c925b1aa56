package panel

import (
	"fmt"
	"strings"
	"time"

	"schoolbell/wire"
)

// countView says what an event would do. The zero value says that it was not counted.
type countView struct {
	Counted  bool
	People   int
	Facts    []fact
	Channels []channelCount
	Reasons  []reasonCount
	Warnings []string
	Shown    []shownMessage
	Problems []fieldFault // why it cannot be counted
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
type shownMessage struct{ Name, Icon, Subject, Text string }

// newCount shows a preview. What depends on the text is left out until there is one.
func (s *Server) newCount(p *wire.EventPreview, written bool) countView {
	v := countView{Counted: true, People: p.People, Facts: []fact{{Name: "Messages", Text: number(p.Messages)}}}
	if f := p.Finish; f != nil {
		v.Facts = append(v.Facts, fact{Name: "Done in", Text: "about " + roughly(time.Duration(f.Seconds)*time.Second) + ", by " + f.LimitedBy})
	}
	if sms := p.SMS; sms != nil && written {
		v.Facts = append(v.Facts, fact{Name: "SMS", Text: smsWords(sms)})
	}
	for _, c := range p.Channels {
		name := channelName(c.Channel)
		v.Channels = append(v.Channels, channelCount{name, channelIcon(c.Channel), c.Messages, c.LeftOut})
		for _, r := range c.Reasons {
			v.Reasons = append(v.Reasons, reasonCount{name + ": " + reasonWords(r.Reason), r.People})
		}
	}
	v.Warnings = s.countWarnings(p)
	if !written {
		return v
	}
	for _, m := range p.Shown {
		v.Shown = append(v.Shown, shownMessage{channelName(m.Channel), channelIcon(m.Channel), m.Subject, m.Text})
	}
	return v
}

// smsWords says what text messages take.
func smsWords(sms *wire.PreviewedSMS) string {
	words := count(sms.Segments, "segment", "segments")
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
		warnings = append(warnings, count(p.LeftOut, "person gets", "people get")+" no message on any channel.")
	}
	people, tags := 0, []string{}
	for _, l := range p.Languages {
		if l.Missing {
			people, tags = people+l.People, append(tags, l.Language)
		}
	}
	if people > 0 {
		warnings = append(warnings, count(people, "person reads", "people read")+" another language ("+strings.Join(tags, ", ")+"). They get the text as it is here.")
	}
	if h := p.Held; h != nil {
		warnings = append(warnings, "Quiet hours hold it for "+count(h.People, "person", "people")+". The last of them get it "+s.when(h.Until.Time).Text+".")
	}
	return warnings
}

// Send is what the button of the form says.
func (v composeView) Send() string {
	switch {
	case !v.Count.Counted:
		return "Send"
	case v.Form.SendAt != "":
		return "Schedule for " + count(v.Count.People, "person", "people")
	}
	return "Send to " + count(v.Count.People, "person", "people")
}
