package preview

import (
	"cmp"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/personal"
	"schoolbell/wire"
)

// show returns the message of a channel for the person who was chosen, or else for somebody who gets one; nil if nobody does.
func (t *tally) show(c *channelTally) (*wire.PreviewedMessage, error) {
	to := c.first
	leftOut := ""
	if t.chosen != nil {
		to, leftOut = t.chosen, c.chosen
	}
	if to == nil {
		return nil, nil
	}
	one := to.Unlinked()
	one.Locale = cmp.Or(t.locale, one.Locale)
	if c.name == schoolbell.ChannelInApp {
		return t.showInApp(one, leftOut), nil
	}
	m, err := t.cfg.Renderer.Render(t.ev, c.name, one)
	if err != nil {
		return nil, err
	}
	out := &wire.PreviewedMessage{Channel: c.name, User: one.UserID, LeftOut: leftOut, Locale: m.Locale, Subject: m.Subject, HTML: m.HTML.String(), Text: m.Text.String()}
	name, version := t.cfg.Renderer.TemplateOf(t.ev, c.name, one)
	out.Template = &wire.PreviewedTemplate{Category: name.Category, Locale: name.Locale, Version: version}
	if c.name == schoolbell.ChannelSMS {
		out.Segments, out.Text = t.cfg.SMS.segmentsOf(m), t.cfg.SMS.textOf(m)
	}
	return out, nil
}

// showInApp returns an item of an inbox, which somebody may be left out of. Apps show it in their own way.
func (t *tally) showInApp(to ledger.Recipient, leftOut string) *wire.PreviewedMessage {
	school := cmp.Or(t.cfg.School().Language, "en")
	said, tag := t.ev.In(cmp.Or(to.Locale, school))
	tag = cmp.Or(tag, school)
	if t.ev.Personalized() {
		about := schoolbell.PersonalText{Name: to.Name}
		if to.Personal != nil {
			about.Data, about.Students = to.Personal.Data, to.Personal.Students
		}
		said.Title, said.Body = personal.Filled(said.Title, said.Body, tag, &about)
	}
	return &wire.PreviewedMessage{Channel: schoolbell.ChannelInApp, User: to.UserID, LeftOut: leftOut, Locale: tag, Subject: said.Title, Text: said.Body}
}
