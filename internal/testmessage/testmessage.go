// Package testmessage sends one real message, so that people see whether a channel works.
package testmessage

import (
	"context"
	"fmt"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Pipeline creates events.
type Pipeline interface {
	Create(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (stored *schoolbell.Event, replayed bool, err error)
}

// People are the users who get the messages.
type People interface {
	Put(ctx context.Context, u *schoolbell.User) (schoolbell.Change, error)
	User(ctx context.Context, id string) (*schoolbell.User, error)
}

// Schedules are when users want messages.
type Schedules interface {
	Put(ctx context.Context, userID string, s schoolbell.Schedule) error
}

// Service sends test messages. It is safe for concurrent use.
type Service struct {
	pipeline     Pipeline
	people       People
	schedules    Schedules
	suppressions ledger.Suppressions
}

// New returns a Service.
func New(pipeline Pipeline, people People, schedules Schedules, suppressions ledger.Suppressions) *Service {
	return &Service{pipeline, people, schedules, suppressions}
}

// Test says to whom a message is sent: to a user or to an address.
type Test struct {
	Channel         schoolbell.Channel
	UserID, Address string
	By              schoolbell.Actor
}

// Sent is the message: an event for one user.
type Sent struct {
	EventID, UserID string
	Temporary       bool // the user was made for the test
}

// Send creates the event of a test. Its delivery shows what happens. An address to which nothing is sent is CodeConflict.
func (s *Service) Send(ctx context.Context, t Test) (sent Sent, err error) {
	sent.UserID = t.UserID
	switch {
	case !slices.Contains(schoolbell.Channels(), t.Channel) || t.Channel == schoolbell.ChannelInApp:
		return sent, schoolbell.Invalid("channel", "must be a channel with addresses")
	case (t.UserID == "") == (t.Address == ""):
		return sent, schoolbell.Invalid("user_id", "name either a user or an address")
	case t.Address != "":
		sent.Temporary = true
		sent.UserID, err = s.person(ctx, t.Channel, t.Address)
	default:
		err = s.checkReachable(ctx, t.Channel, t.UserID)
	}
	if err != nil {
		return sent, err
	}
	ev, _, err := s.pipeline.Create(ctx, &schoolbell.Event{
		Title: "Test message", Body: "This message tests the channel " + string(t.Channel) + ". You need not do anything.", CreatedBy: t.By,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{sent.UserID}}}, Channels: []schoolbell.Channel{t.Channel},
	}, ledger.Idempotency{})
	if err != nil {
		return sent, err
	}
	sent.EventID = ev.ID
	change := ledger.ChangeOf(ctx)
	change.Target(string(t.Channel)) // the event was the target while it was stored
	change.Set("event", ev.ID)
	change.Set("user", sent.UserID)
	return sent, nil
}

// person makes a user with an address, to which messages are sent.
func (s *Service) person(ctx context.Context, channel schoolbell.Channel, address string) (id string, err error) {
	if err := schoolbell.ValidateAddress(channel, address); err != nil {
		return "", schoolbell.Invalid("address", "%v", err)
	}
	found, err := s.suppressions.SuppressionsOf(ctx, channel, address)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return "", suppressed(found[0].State, found[0].Reason)
	}
	u := &schoolbell.User{ID: "channel-test-" + schoolbell.AddressDigest(address), Name: "Channel test", Roles: []schoolbell.Role{schoolbell.RoleStaff},
		Addresses: []schoolbell.Address{{Channel: channel, Address: address}}}
	if _, err := s.people.Put(ctx, u); err != nil {
		return "", err
	}
	always := schoolbell.QuietHours{From: "00:00", To: "00:00"} // the caller waits for the message
	return u.ID, s.schedules.Put(ctx, u.ID, schoolbell.Schedule{QuietHours: always})
}

// checkReachable reports a user to whom nothing would be sent.
func (s *Service) checkReachable(ctx context.Context, channel schoolbell.Channel, id string) error {
	u, err := s.people.User(ctx, id)
	if err != nil {
		return err
	}
	refusal := error(&schoolbell.Error{Code: schoolbell.CodeConflict, Message: fmt.Sprintf("the user has no address on the channel %s", channel)})
	for _, a := range u.Addresses {
		switch {
		case a.Channel != channel:
		case a.State.Usable():
			return nil
		default:
			refusal = suppressed(a.State, a.Reason)
		}
	}
	return refusal
}

// suppressed is the refusal to send to an address.
func suppressed(state schoolbell.AddressState, reason string) error {
	text := fmt.Sprintf("nothing is sent to the address: it is %s", state)
	if reason != "" {
		text += " (" + reason + ")"
	}
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: text}
}
