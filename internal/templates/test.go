package templates

import (
	"context"
	"time"

	"github.com/google/uuid"

	"schoolbell"
)

// Sender sends messages, as channels do: it calls done exactly once for each, before it returns.
type Sender interface {
	Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result))
}

// Emails sends emails that belong to no event: tests, and links for the staff.
type Emails struct {
	Sender   Sender
	Captured bool // by this program: nothing is sent
}

// Emails sends tests; nil in a process that sends no emails.
func (s *Service) Emails() *Emails { return s.cfg.Emails }

// sendTimeout is how long an email may take.
const sendTimeout = 20 * time.Second

// Test sends the email of a template that need not be stored to an address, outside of events and quotas. Its links lead nowhere.
func (s *Service) Test(ctx context.Context, t schoolbell.Template, with Subject, name, address string) (schoolbell.Result, error) {
	if s.cfg.Emails == nil || t.Channel != schoolbell.ChannelEmail {
		return schoolbell.Result{}, &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "this process sends no such tests"}
	}
	m, err := s.Show(ctx, t, with)
	if err != nil {
		return schoolbell.Result{}, err
	}
	m.To, m.ToName, m.Subject = address, name, "[Test] "+m.Subject
	return s.cfg.Emails.Send(ctx, m)
}

// Send sends one email outside of events and quotas. Receipts about it find no event, and its recipient cannot unsubscribe.
func (e *Emails) Send(ctx context.Context, m schoolbell.Message) (schoolbell.Result, error) {
	id, err := uuid.NewV7() // mail servers drop a second email with the id of the first
	if err != nil {
		return schoolbell.Result{}, err
	}
	m.EventID = id.String()
	m.ID = schoolbell.MessageKey{EventID: m.EventID, User: 1}.String()
	m.Channel, m.Lane, m.Unsubscribe, m.CreatedAt = schoolbell.ChannelEmail, schoolbell.LaneNormal, "", time.Now()
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	result := schoolbell.Result{Verdict: schoolbell.VerdictUntried}
	e.Sender.Send(ctx, []schoolbell.Message{m}, func(_ int, r schoolbell.Result) { result = r })
	return result, nil
}
