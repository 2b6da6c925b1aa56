package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

type channelCmd struct {
	Test channelTestCmd `cmd:"" help:"Send one real message, and follow what happens to it."`
}

type channelTestCmd struct {
	remote
	To      string        `arg:"" name:"to" help:"Email address, international phone number such as +442079460018, or id of a user."`
	Channel string        `name:"channel" default:"email" placeholder:"CHANNEL" help:"Channel by which a user is reached: email, sms or push."`
	Timeout time.Duration `name:"timeout" default:"1m" placeholder:"TIME" help:"How long to wait for the end, with the receipts of the provider."`
}

// target returns the channel and the recipient that the argument means.
func (c *channelTestCmd) target() (schoolbell.Channel, wire.ChannelTest) {
	switch {
	case strings.Contains(c.To, "@"):
		return schoolbell.ChannelEmail, wire.ChannelTest{Address: c.To}
	case strings.HasPrefix(c.To, "+"):
		return schoolbell.ChannelSMS, wire.ChannelTest{Address: c.To}
	}
	return schoolbell.Channel(c.Channel), wire.ChannelTest{UserID: c.To}
}

// channelTest is a test that runs, and its result as JSON.
type channelTest struct {
	Channel    schoolbell.Channel        `json:"channel"`
	EventID    string                    `json:"event_id"`
	UserID     string                    `json:"user_id"`
	Status     schoolbell.DeliveryStatus `json:"status"`
	Outcome    schoolbell.Outcome        `json:"outcome,omitempty"`
	Reason     string                    `json:"reason,omitempty"`
	ProviderID string                    `json:"provider_id,omitempty"`
	Receipts   bool                      `json:"receipts"` // the provider sends them
	OK         bool                      `json:"ok"`       // the message was sent, and arrived if the provider tells
	Steps      []channelStep             `json:"steps"`

	began time.Time
}

// channelStep is something new about the message.
type channelStep struct {
	Seconds float64                   `json:"seconds"` // since the test began
	Status  schoolbell.DeliveryStatus `json:"status"`
	Outcome schoolbell.Outcome        `json:"outcome,omitempty"`
	Reason  string                    `json:"reason,omitempty"`
}

// lookAtTest is how often a test looks at its delivery.
const lookAtTest = 300 * time.Millisecond

// Run sends the message and follows it.
func (c *channelTestCmd) Run(ctx context.Context, a *program) error {
	if c.Timeout <= 0 {
		return usage("--timeout must be longer than 0")
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	channel, to := c.target()
	t := &channelTest{Channel: channel, began: time.Now(), Steps: []channelStep{}}
	asked, err := server.TestChannel(ctx, channel, to)
	if err != nil {
		return err
	}
	t.EventID, t.UserID, t.Receipts = asked.EventID, asked.UserID, asked.Receipts
	if asked.Temporary {
		defer func() { _ = server.DeleteUser(context.WithoutCancel(ctx), asked.UserID) }()
	}
	if !c.JSON {
		a.tick("A test message by %s to %s is on its way (event %s)", channel, c.To, t.EventID)
	}
	if err := t.follow(ctx, server, c.Timeout, func(s channelStep) {
		if !c.JSON {
			a.say("  %s  %s", painted(fmt.Sprintf("%6.1f s", s.Seconds)), t.words(s))
		}
	}); err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(t)
	} else {
		a.conclude(t)
	}
	if err == nil && !t.OK {
		return quietError{}
	}
	return err
}

// follow looks at the delivery until it ends, or as long as the caller waits, and tells each step.
func (t *channelTest) follow(ctx context.Context, server *client.Client, timeout time.Duration, tell func(channelStep)) error {
	over := time.After(timeout)
	tick := time.NewTicker(lookAtTest)
	defer tick.Stop()
	for {
		page, err := server.Deliveries(ctx, t.EventID, schoolbell.DeliveryFilter{}, client.Page{Limit: 1})
		if err != nil {
			return err
		}
		if len(page.Deliveries) > 0 && t.note(page.Deliveries[0]) {
			tell(t.Steps[len(t.Steps)-1])
		}
		if t.ended() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return nil
		case <-tick.C:
		}
	}
}

// note takes what is known of the delivery, and reports whether anything is new.
func (t *channelTest) note(d wire.Delivery) bool {
	if len(t.Steps) > 0 && t.Status == d.Status && t.Outcome == d.Outcome && t.Reason == d.Reason {
		return false
	}
	t.Status, t.Outcome, t.Reason, t.ProviderID = d.Status, d.Outcome, d.Reason, d.ProviderID
	t.OK = d.Status == schoolbell.DeliverySent && (!t.Receipts || d.Outcome == schoolbell.OutcomeDelivered)
	t.Steps = append(t.Steps, channelStep{round(time.Since(t.began).Seconds(), 1), d.Status, d.Outcome, d.Reason})
	return true
}

// ended reports whether nothing more is expected.
func (t *channelTest) ended() bool {
	switch t.Status {
	case schoolbell.DeliverySent:
		return !t.Receipts || t.Outcome != ""
	case "", schoolbell.DeliveryPending, schoolbell.DeliverySending:
		return false
	}
	return true
}

// words says what a step means.
func (t *channelTest) words(s channelStep) string {
	text := string(s.Status)
	switch {
	case s.Outcome == schoolbell.OutcomeDelivered:
		text = "delivered: the provider says that the message arrived"
	case s.Outcome != "":
		text = string(s.Outcome)
	case s.Status == schoolbell.DeliverySent:
		text = "sent: the provider accepted the message"
		if t.ProviderID != "" {
			text += ", as " + t.ProviderID
		}
	case s.Reason == schoolbell.ReasonAwaitingReceipt:
		return "pending: the provider may have accepted the message; a receipt will tell"
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// conclude says how the test ended, and what to do.
func (a *program) conclude(t *channelTest) {
	switch {
	case t.OK && t.Receipts:
		a.say("%s", painted(a.style.good("The channel works, and so do the receipts.")))
	case t.OK:
		a.say("%s", painted(a.style.good("The provider accepted the message. Look whether it arrived: this provider sends no receipts.")))
	case t.Status == schoolbell.DeliverySent && t.Outcome == "":
		a.complain("the message was sent, but no receipt came in time")
		a.suggest("see the log of webhooks of the provider, and RECEIPT_SECRET; docs/channels/receipts.md has the causes")
	case t.Status == "" || t.Status == schoolbell.DeliveryPending || t.Status == schoolbell.DeliverySending:
		a.complain("the message was not sent in time")
		a.suggest("schoolbell doctor checks the channel; schoolbell queue list shows whether a worker runs")
	default:
		a.complain("the message did not arrive")
		a.suggest("docs/channels has the meaning of each reason")
	}
}
