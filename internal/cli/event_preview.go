package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

type eventPreviewCmd struct {
	remote
	eventFlags
	File   string               `name:"file" short:"f" placeholder:"FILE" help:"Read the event from this file, as JSON in the form of the API. - is standard input."`
	Show   []schoolbell.Channel `name:"show" placeholder:"CHANNEL" help:"Also print a message on this channel. May be repeated."`
	For    string               `name:"for" placeholder:"ID" help:"Person whose messages are shown. Somebody of the audience if left out."`
	Locale string               `name:"locale" placeholder:"TAG" help:"Language in which they are shown, such as es. That of the person if left out."`
}

// Run tells what would happen if an event were created.
func (c *eventPreviewCmd) Run(ctx context.Context, a *program) error {
	ev, err := c.event(a, c.File, time.Now())
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	p, err := server.PreviewEvent(ctx, ev, c.For, c.Locale)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(p)
	}
	a.printPreview(p)
	for _, channel := range c.Show {
		a.printShown(p, channel)
	}
	return nil
}

// printPreview prints what would happen, without messages.
func (a *program) printPreview(p *wire.EventPreview) {
	a.say("%s", a.style.bold(fmt.Sprintf("%s to %s", count(p.Messages, "message", "messages"), count(p.People, "person", "people"))))
	a.say("")
	t := newTable("CHANNEL", "MESSAGES#", "LEFT OUT#")
	for _, c := range p.Channels {
		t.add(string(c.Channel), number(c.Messages), number(c.LeftOut))
	}
	t.print(a.Out, a.style)
	a.printLeftOut(p)
	a.say("")
	if p.SMS != nil && len(p.SMS.Lengths) > 0 {
		a.say("%s", previewedSMS(p.SMS))
	}
	a.printLanguages(p.Languages)
	a.printFinish(p)
	a.say("%s", a.style.dim("Nothing was stored or sent."))
}

// printLeftOut prints who gets no message, and why.
func (a *program) printLeftOut(p *wire.EventPreview) {
	t := newTable("CHANNEL", "LEFT OUT BECAUSE", "PEOPLE#", "FOR EXAMPLE")
	for _, c := range p.Channels {
		for _, r := range c.Reasons {
			t.add(string(c.Channel), r.Reason, number(r.People), exampleNames(r.Examples))
		}
	}
	if len(t.rows) > 0 {
		a.say("")
		t.print(a.Out, a.style)
	}
	if p.LeftOut > 0 {
		a.say("")
		a.say("%s", a.style.bold(count(p.LeftOut, "person gets", "people get")+" no message at all."))
	}
}

// exampleNames are people with their ids.
func exampleNames(people []wire.PersonName) string {
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = fmt.Sprintf("%s (%s)", cut(p.Name, 40), p.ID)
	}
	return strings.Join(names, ", ")
}

// previewedSMS says what text messages take.
func previewedSMS(s *wire.PreviewedSMS) string {
	var lengths []string
	for _, l := range s.Lengths {
		lengths = append(lengths, fmt.Sprintf("%s of %s", number(l.Messages), count(l.Segments, "segment", "segments")))
	}
	text := fmt.Sprintf("Text messages: %s; %s in all", strings.Join(lengths, ", "), count(s.Segments, "segment", "segments"))
	if s.Currency != "" {
		text += fmt.Sprintf(", %.2f %s", s.Amount, s.Currency)
	}
	if s.Estimated {
		text += ", estimated"
	}
	return text + "."
}

// printLanguages says what people read, and in which of these languages the event has no text.
func (a *program) printLanguages(languages []wire.PreviewedLanguage) {
	var all, missing []string
	people := 0
	for _, l := range languages {
		all = append(all, l.Language+" "+number(l.People))
		if l.Missing {
			missing, people = append(missing, l.Language), people+l.People
		}
	}
	if len(all) == 0 {
		return
	}
	a.say("Languages: %s.", strings.Join(all, ", "))
	if len(missing) > 0 {
		a.say("No text in %s: %s the text of the event itself.", strings.Join(missing, ", "), count(people, "person gets", "people get"))
	}
}

// printFinish says how long the messages take.
func (a *program) printFinish(p *wire.EventPreview) {
	if p.Held != nil {
		a.say("Quiet hours: messages of %s wait until %s.", count(p.Held.People, "person", "people"), when(p.Held.Until.Time))
	}
	for _, c := range p.Channels {
		f := c.Finish
		if f == nil {
			continue
		}
		text := fmt.Sprintf("Finish of %s: %s after the start, at %s (%s", c.Channel, duration(time.Duration(f.Seconds)*time.Second), when(f.At.Time), f.LimitedBy)
		if f.Waiting > 0 {
			text += fmt.Sprintf(", after about %s of other events", count(f.Waiting, "message", "messages"))
		}
		a.say("%s).", text)
	}
}

// duration is a time for people to read: in hours and days if it is long.
func duration(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return d.String()
	case d < 48*time.Hour:
		return count(int(d.Round(time.Hour)/time.Hour), "hour", "hours")
	}
	return count(int((d+12*time.Hour)/(24*time.Hour)), "day", "days")
}

func templateVersion(n int64) string {
	if n == 0 {
		return "standard"
	}
	return fmt.Sprintf("version %d", n)
}

// printShown prints a message of one channel.
func (a *program) printShown(p *wire.EventPreview, channel schoolbell.Channel) {
	for _, m := range p.Shown {
		if m.Channel != channel {
			continue
		}
		a.say("")
		a.say("%s", a.style.bold(fmt.Sprintf("%s for %s in %s", m.Channel, m.User, m.Locale)))
		if m.LeftOut != "" {
			a.say("It is not sent to this person: %s", m.LeftOut)
		}
		if t := m.Template; t != nil {
			a.say("Template: %s in %s, %s", t.Category, t.Locale, templateVersion(t.Version))
		}
		a.printParts(m.Subject, "", m.Text)
		return
	}
	a.say("")
	a.say("Nobody gets a message by %s.", channel)
}
