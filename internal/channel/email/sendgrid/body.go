package sendgrid

import (
	"schoolbell"
	"schoolbell/internal/channel/email"
)

// ArgName is the custom argument that carries the id of a message. Each event about the message has it as a key.
const ArgName = "schoolbell_message"

// mailSend is the body of a request: one email to several recipients, each of whom sees only themselves.
type mailSend struct {
	From             mailbox           `json:"from"`
	ReplyTo          *mailbox          `json:"reply_to,omitempty"`
	Subject          string            `json:"subject"`
	Content          []content         `json:"content"`
	Attachments      []attachment      `json:"attachments,omitempty"`
	Personalizations []personalization `json:"personalizations"`
	Tracking         tracking          `json:"tracking_settings"`
}

type mailbox struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

type content struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type attachment struct {
	Content     []byte `json:"content"` // Base64 in JSON
	Type        string `json:"type"`
	Filename    string `json:"filename"`
	Disposition string `json:"disposition"`
}

type personalization struct {
	To         []mailbox         `json:"to"`
	Headers    map[string]string `json:"headers"`
	CustomArgs map[string]string `json:"custom_args"`
}

// tracking turns off what SendGrid would change in the email: links, a hidden image, a footer.
type tracking struct {
	Click        clickTracking `json:"click_tracking"`
	Open         enable        `json:"open_tracking"`
	Subscription enable        `json:"subscription_tracking"`
}

type clickTracking struct {
	Enable     bool `json:"enable"`
	EnableText bool `json:"enable_text"`
}

type enable struct {
	Enable bool `json:"enable"`
}

// body returns the request for the messages at places, which share subject and text and can all be emails.
func (s *SendGrid) body(msgs []schoolbell.Message, places []int) mailSend {
	first := &msgs[places[0]]
	b := mailSend{From: s.from, ReplyTo: s.replyTo, Subject: first.Subject}
	if b.Subject == "" {
		b.Subject = " " // required
	}
	for _, c := range []content{{"text/plain", first.Text.String()}, {"text/html", first.HTML.String()}} {
		if c.Value != "" {
			b.Content = append(b.Content, c)
		}
	}
	if first.Calendar.Shared != nil {
		// SendGrid takes no parameters in a type. The calendar has its method itself.
		b.Attachments = []attachment{{Content: []byte(first.Calendar.String()), Type: "text/calendar", Filename: email.CalendarFile, Disposition: "attachment"}}
	}
	for _, i := range places {
		b.Personalizations = append(b.Personalizations, s.personalize(&msgs[i]))
	}
	return b
}

func (s *SendGrid) personalize(m *schoolbell.Message) personalization {
	to, _ := email.Recipient(m) // it has one, or the message would not be here
	headers := map[string]string{"Message-ID": s.composer.MessageID(m), "Auto-Submitted": "auto-generated"}
	if m.EventID != "" {
		headers["X-Schoolbell-Event"] = m.EventID
	}
	if m.Locale != "" {
		headers["Content-Language"] = m.Locale
	}
	for _, field := range email.UnsubscribeFields(m) {
		headers[field.Name] = field.Value
	}
	return personalization{To: []mailbox{{Email: to, Name: m.ToName}}, Headers: headers, CustomArgs: map[string]string{ArgName: m.ID}}
}

// group returns the messages that may share a request: those of which all but the recipient is equal, byte by byte.
func group(msgs []schoolbell.Message) (groups [][]int) {
	type text struct{ subject, text, html, calendar string }
	open := make(map[text]int) // the group that has room
	for i := range msgs {
		t := text{msgs[i].Subject, msgs[i].Text.String(), msgs[i].HTML.String(), msgs[i].CalendarMethod + msgs[i].Calendar.String()}
		g, ok := open[t]
		if !ok || len(groups[g]) == maxGroup {
			g = len(groups)
			groups, open[t] = append(groups, nil), g
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}
