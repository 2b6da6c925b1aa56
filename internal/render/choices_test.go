package render_test

import (
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/render"
)

func TestRenderChoices(t *testing.T) {
	t.Parallel()
	mandatory := map[schoolbell.Category]bool{schoolbell.CategoryUrgent: true}
	own := &schoolbell.Template{TemplateText: schoolbell.TemplateText{Text: "{{event.title}} {{preferences}} {{unsubscribe|no link}}"}}
	var asked int
	r, err := render.New(render.Config{Choices: counted{choices{}, &asked}, Optional: func(c schoolbell.Category) bool { return !mandatory[c] },
		Template: func(key schoolbell.TemplateKey, _ time.Time) *schoolbell.Template {
			if key.Channel == schoolbell.ChannelSMS {
				return own
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	make := func(ch schoolbell.Channel, category schoolbell.Category) schoolbell.Message {
		t.Helper()
		ev := sportsDay()
		ev.Category = category
		m, err := r.Render(ev, ch, ada())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const page, leave = "https://bell.example.org/preferences/42", "https://bell.example.org/unsubscribe/42-event-email"
	m := make(schoolbell.ChannelEmail, schoolbell.CategoryEvent)
	if m.Unsubscribe != leave || !strings.Contains(m.Text.String(), "Stop emails like this: "+leave+"\nChoose what reaches you: "+page+"\n") ||
		!strings.Contains(m.HTML.String(), `href="`+leave+`"`) || !strings.Contains(m.HTML.String(), `href="`+page+`"`) {
		t.Errorf("unsubscribe %q, text\n%s", m.Unsubscribe, m.Text)
	}
	if asked != 2 {
		t.Errorf("an email asked for %d links, want 2", asked)
	}
	m = make(schoolbell.ChannelEmail, schoolbell.CategoryUrgent)
	if all := m.Text.String() + m.HTML.String(); m.Unsubscribe != "" || strings.Contains(all, "unsubscribe") || strings.Count(all, page) != 2 {
		t.Errorf("what is mandatory: unsubscribe %q, text\n%s", m.Unsubscribe, m.Text)
	}
	mandatory[schoolbell.CategoryEvent] = true // the school changes its mind while an event is sent
	if m = make(schoolbell.ChannelEmail, schoolbell.CategoryEvent); m.Unsubscribe != "" || strings.Contains(m.HTML.String(), "unsubscribe") {
		t.Errorf("mandatory meanwhile: unsubscribe %q", m.Unsubscribe)
	}
	delete(mandatory, schoolbell.CategoryEvent)
	asked = 0
	if m = make(schoolbell.ChannelPush, schoolbell.CategoryEvent); m.Unsubscribe != "" || asked != 0 {
		t.Errorf("a push message has %q, and asked for %d links", m.Unsubscribe, asked)
	}
	if m = make(schoolbell.ChannelSMS, schoolbell.CategoryEvent); !strings.HasSuffix(m.Text.String(), page+" https://bell.example.org/unsubscribe/42-event-sms") {
		t.Errorf("a text message: %s", m.Text)
	}
	if m = make(schoolbell.ChannelSMS, schoolbell.CategoryUrgent); !strings.HasSuffix(m.Text.String(), page+" no link") {
		t.Errorf("an urgent text message: %s", m.Text)
	}
}

// counted counts the links that are made.
type counted struct {
	render.Choices
	asked *int
}

func (c counted) Preferences(to ledger.Recipient) string {
	*c.asked++
	return c.Choices.Preferences(to)
}

func (c counted) Unsubscribe(category schoolbell.Category, channel schoolbell.Channel, to ledger.Recipient) string {
	*c.asked++
	return c.Choices.Unsubscribe(category, channel, to)
}
