package api_test

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/wire"
)

func TestChannels(t *testing.T) {
	t.Parallel()
	t.Run("a test is an event for one user", testChannelsUser)
	t.Run("an address gets a user of its own", testChannelsAddress)
	t.Run("suppressed addresses are refused", testChannelsSuppressed)
	t.Run("invalid requests are rejected", testChannelsInvalid)
}

func testChannelsUser(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	got, err := s.TestChannel(t.Context(), schoolbell.ChannelEmail, wire.ChannelTest{UserID: "u1"})
	must(t, err)
	ev, err := s.Event(t.Context(), got.EventID)
	must(t, err)
	if got.UserID != "u1" || got.Temporary || len(ev.Channels) != 1 || ev.Channels[0] != schoolbell.ChannelEmail || len(ev.Audience.Users) != 1 || ev.Audience.Users[0] != "u1" {
		t.Errorf("%+v, event %+v", got, ev)
	}
}

func testChannelsAddress(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var ids []string
	for range 2 {
		got, err := s.TestChannel(t.Context(), schoolbell.ChannelEmail, wire.ChannelTest{Address: "ada@example.org"})
		must(t, err)
		u, err := s.User(t.Context(), got.UserID)
		must(t, err)
		if !got.Temporary || u.Email != "ada@example.org" {
			t.Errorf("%+v, user %+v", got, u)
		}
		ids = append(ids, got.UserID)
	}
	if ids[0] != ids[1] {
		t.Errorf("one address has the users %v", ids)
	}
}

func testChannelsSuppressed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	_, err := s.Suppress(t.Context(), wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: "u1@example.org", Reason: "asked by phone"})
	must(t, err)
	for _, to := range []wire.ChannelTest{{UserID: "u1"}, {Address: "U1@example.org"}} {
		_, err := s.TestChannel(t.Context(), schoolbell.ChannelEmail, to)
		wantProblem(t, err, 409, "conflict", "")
		if !strings.Contains(err.Error(), "stopped (asked by phone)") {
			t.Errorf("%v", err)
		}
	}
}

func testChannelsInvalid(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	for _, c := range []struct {
		channel     schoolbell.Channel
		to          wire.ChannelTest
		status      int
		code, field string
	}{
		{schoolbell.ChannelInApp, wire.ChannelTest{UserID: "u1"}, 422, "invalid", "channel"},
		{"fax", wire.ChannelTest{UserID: "u1"}, 422, "invalid", "channel"},
		{schoolbell.ChannelEmail, wire.ChannelTest{}, 422, "invalid", "user_id"},
		{schoolbell.ChannelEmail, wire.ChannelTest{UserID: "u1", Address: "u1@example.org"}, 422, "invalid", "user_id"},
		{schoolbell.ChannelEmail, wire.ChannelTest{Address: "nobody"}, 422, "invalid", "address"},
		{schoolbell.ChannelEmail, wire.ChannelTest{UserID: "u9"}, 404, "not_found", ""},
		{schoolbell.ChannelPush, wire.ChannelTest{UserID: "u1"}, 409, "conflict", ""},
	} {
		_, err := s.TestChannel(t.Context(), c.channel, c.to)
		wantProblem(t, err, c.status, c.code, c.field)
	}
}
