package api

import (
	"context"
	"fmt"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

type testChannelInput struct {
	Channel schoolbell.Channel `path:"channel" doc:"A channel with addresses."`
	Body    wire.ChannelTest
}

type testChannelOutput struct {
	Location string `header:"Location" doc:"The event of the message."`
	Body     wire.ChannelTested
}

// testChannel creates an event for one user on one channel.
func (s *Server) testChannel(ctx context.Context, in *testChannelInput) (*testChannelOutput, error) {
	out := &testChannelOutput{Body: wire.ChannelTested{UserID: in.Body.UserID, Receipts: s.cfg.Reported[in.Channel]}}
	var err error
	switch {
	case !slices.Contains(schoolbell.Channels(), in.Channel) || in.Channel == schoolbell.ChannelInApp:
		return nil, schoolbell.Invalid("channel", "must be a channel with addresses")
	case (in.Body.UserID == "") == (in.Body.Address == ""):
		return nil, schoolbell.Invalid("user_id", "name either a user or an address")
	case in.Body.Address != "":
		out.Body.Temporary = true
		out.Body.UserID, err = s.testPerson(ctx, in.Channel, in.Body.Address)
	default:
		err = s.checkReachable(ctx, in.Channel, in.Body.UserID)
	}
	if err != nil {
		return nil, err
	}
	ev, _, err := s.cfg.Pipeline.Create(ctx, &schoolbell.Event{
		Title: "Test message", Body: "This message tests the channel " + string(in.Channel) + ". You need not do anything.", CreatedBy: callerOf(ctx).Actor(),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{out.Body.UserID}}}, Channels: []schoolbell.Channel{in.Channel},
	}, ledger.Idempotency{})
	if err != nil {
		return nil, err
	}
	out.Body.EventID, out.Location = ev.ID, "/v1/events/"+ev.ID
	change := ledger.ChangeOf(ctx)
	change.Target(string(in.Channel)) // the event was the target while it was stored
	change.Set("event", ev.ID)
	change.Set("user", out.Body.UserID)
	return out, nil
}

// testPerson makes a user with an address, to which messages are sent.
func (s *Server) testPerson(ctx context.Context, channel schoolbell.Channel, address string) (id string, err error) {
	if err := schoolbell.ValidateAddress(channel, address); err != nil {
		return "", schoolbell.Invalid("address", "%v", err)
	}
	found, err := s.cfg.Suppressions.SuppressionsOf(ctx, channel, address)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return "", suppressed(found[0].State, found[0].Reason)
	}
	u := &schoolbell.User{ID: "channel-test-" + schoolbell.AddressDigest(address), Name: "Channel test", Roles: []schoolbell.Role{schoolbell.RoleStaff},
		Addresses: []schoolbell.Address{{Channel: channel, Address: address}}}
	if _, err := s.cfg.People.Put(ctx, u); err != nil {
		return "", err
	}
	always := schoolbell.QuietHours{From: "00:00", To: "00:00"} // the caller waits for the message
	return u.ID, s.cfg.Schedules.Put(ctx, u.ID, schoolbell.Schedule{QuietHours: always})
}

// checkReachable reports a user to whom nothing would be sent.
func (s *Server) checkReachable(ctx context.Context, channel schoolbell.Channel, id string) error {
	u, err := s.cfg.People.User(ctx, id)
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
