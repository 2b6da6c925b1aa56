package templates

import (
	"context"

	"schoolbell"
	"schoolbell/internal/channel/sms"
)

// Subject is whom and what a template is shown with.
type Subject struct {
	Event string // id; empty for a sample
	User  string // id; empty for a sample
}

// Show makes the message of a template that need not be stored. What is wrong with the template is CodeInvalid, by its fields;
// so is an event or a user that is not there.
func (s *Service) Show(ctx context.Context, t schoolbell.Template, with Subject) (m schoolbell.Message, err error) {
	if err := s.cfg.Renderer.Check(t); err != nil {
		return m, err
	}
	shown, err := s.resolve(ctx, with)
	if err != nil {
		return m, err
	}
	return s.cfg.Renderer.Preview(t, shown.event, shown.to, shown.text)
}

// resolved is a Subject that was looked up.
type resolved struct {
	event *schoolbell.Event
	to    *schoolbell.User
	text  *schoolbell.PersonalText
}

func (s *Service) resolve(ctx context.Context, with Subject) (r resolved, err error) {
	if with.Event != "" {
		if r.event, err = s.cfg.Events.Event(ctx, with.Event); err != nil {
			return r, unknownIn("event", err)
		}
	}
	if with.User != "" {
		if r.to, r.text, err = s.person(ctx, with.User, r.event); err != nil {
			return r, unknownIn("user", err)
		}
	}
	return r, nil
}

// person returns a person, and what an event says of them; if it is nil, their students.
func (s *Service) person(ctx context.Context, id string, ev *schoolbell.Event) (*schoolbell.User, *schoolbell.PersonalText, error) {
	record, err := s.cfg.Records.Person(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if ev != nil {
		texts, err := s.cfg.Texts.Personal(ctx, ev, []int64{record.Number})
		return record.User, texts[record.Number].For(record.Name), err
	}
	text := &schoolbell.PersonalText{Name: record.Name}
	for _, student := range record.GuardianOf {
		u, err := s.cfg.People.User(ctx, student)
		if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
			continue // erased meanwhile
		}
		if err != nil {
			return nil, nil, err
		}
		text.Students = append(text.Students, schoolbell.Student{ID: u.ID, Name: u.Name})
	}
	return record.User, text, nil
}

// unknownIn turns an unknown id into a fault of its field.
func unknownIn(field string, err error) error {
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return schoolbell.Invalid(field, "there is no such %s", field)
	}
	return err
}

// Segments tells how many segments a text message has.
func Segments(text string) int {
	n, _ := sms.Segments(sms.Fold(text))
	return n
}
