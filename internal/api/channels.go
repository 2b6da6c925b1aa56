package api

import (
	"context"

	"schoolbell"
	"schoolbell/internal/testmessage"
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
	tests := testmessage.New(s.cfg.Pipeline, s.cfg.People, s.cfg.Schedules, s.cfg.Suppressions)
	sent, err := tests.Send(ctx, testmessage.Test{Channel: in.Channel, UserID: in.Body.UserID, Address: in.Body.Address, By: callerOf(ctx).Actor()})
	if err != nil {
		return nil, err
	}
	return &testChannelOutput{Location: "/v1/events/" + sent.EventID,
		Body: wire.ChannelTested{EventID: sent.EventID, UserID: sent.UserID, Temporary: sent.Temporary, Receipts: s.cfg.Reported[in.Channel]}}, nil
}
