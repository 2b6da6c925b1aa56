package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/channel/push/vapid"
	"schoolbell/internal/fake"
	"schoolbell/wire"
)

const (
	// demoPhones is how many people of the demo can be reached by text message and push at most. Fakes keep what they accept.
	demoPhones = 200

	phoneGroup = "sports-club" // of these people
)

// phones are the fakes that accept the text messages and push messages of a demo.
type phones struct {
	twilio *fake.Twilio
	push   *fake.Push
	key    *vapid.Key
}

// Numbers that do not get a text message at once.
const (
	wrongNumber = "+31690000001" // refused for good
	busyNumber  = "+31690000002" // refused for now, every time
)

func demoNumbers(to string) fake.Act {
	switch to {
	case wrongNumber:
		return fake.Reject
	case busyNumber:
		return fake.Defer
	}
	return fake.Accept
}

// newPhones returns fakes that listen. The caller runs or closes them.
func newPhones() (p *phones, err error) {
	p = &phones{}
	if p.key, err = vapid.NewKey(); err != nil {
		return nil, err
	}
	if p.twilio, err = fake.NewTwilio(fake.TwilioOptions{Script: demoNumbers}); err != nil {
		return nil, err
	}
	if p.push, err = fake.NewPush(fake.PushOptions{PublicKey: p.key.Public()}); err != nil {
		_ = p.twilio.Close()
		return nil, err
	}
	return p, nil
}

// settings are those with which the fakes are used.
func (p *phones) settings() ([]string, error) {
	private, err := p.key.Private()
	if err != nil {
		return nil, err
	}
	return append(p.twilio.Settings(), "PUSH_PUBLIC_KEY="+p.key.Public(), "PUSH_PRIVATE_KEY="+private, "PUSH_SUBJECT=mailto:office@hill.example",
		"PUSH_SERVICES="+strings.TrimPrefix(p.push.URL(), "http://"), "OUTBOUND_ALLOW=127.0.0.1/32"), nil
}

// havePhones is how many people have a telephone and a browser: the first ones.
func (d *demo) havePhones() int { return min(d.users, demoPhones) }

func phoneOf(n int) string { return fmt.Sprintf("+316%08d", n+1) }

// tellPhones sends a second event by text message and push, and counts what arrived.
func (d *demo) tellPhones(ctx context.Context, f *facts) error {
	channels := slices.DeleteFunc(slices.Clone(d.channels), func(c schoolbell.Channel) bool { return !byPhone(c) })
	if len(channels) == 0 {
		return nil
	}
	server, hangUp, err := dial(d.url, d.key, nil)
	if err != nil {
		return err
	}
	defer hangUp()
	if slices.Contains(channels, schoolbell.ChannelPush) {
		if err := d.subscribe(ctx, server); err != nil {
			return err
		}
	}
	e, err := server.CreateEvent(ctx, wire.NewEvent{Title: "Training is at 4 pm", Body: "Please bring water.", Channels: channels,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{phoneGroup}}}})
	if err != nil {
		return fmt.Errorf("create the event for phones: %w", err)
	}
	if err := d.await(ctx, e.ID, false); err != nil {
		return err
	}
	d.countPhones(channels, e.ID, f)
	return nil
}

// byPhone reports whether a channel is one of the second event.
func byPhone(c schoolbell.Channel) bool {
	return c == schoolbell.ChannelSMS || c == schoolbell.ChannelPush
}

// subscribe registers a browser for each person who has one.
func (d *demo) subscribe(ctx context.Context, server *client.Client) error {
	for n := range d.havePhones() {
		s, err := d.phones.push.Subscribe()
		if err != nil {
			return err
		}
		if _, _, err := server.AddDevice(ctx, d.person(n).ID, wire.DeviceRequest{Endpoint: s.Endpoint, Keys: wire.DeviceKeys(s.Keys)}); err != nil {
			return fmt.Errorf("register a browser: %w", err)
		}
	}
	return nil
}

// countPhones counts, person by person, what the fakes accepted.
func (d *demo) countPhones(channels []schoolbell.Channel, eventID string, f *facts) {
	texts, pushes := map[string]int{}, map[string]int{}
	for _, m := range d.phones.twilio.Messages() {
		texts[m.To]++
	}
	for _, m := range d.phones.push.Messages() {
		if m.EventID == eventID {
			pushes[m.Device]++
		}
	}
	for _, c := range []struct {
		channel schoolbell.Channel
		got     map[string]int
		total   *int
	}{{schoolbell.ChannelSMS, texts, &f.SMS}, {schoolbell.ChannelPush, pushes, &f.Push}} {
		if !slices.Contains(channels, c.channel) {
			continue
		}
		f.Missing += d.havePhones() - len(c.got)
		for _, n := range c.got {
			*c.total += n
			f.Duplicates += n - 1
		}
	}
}
