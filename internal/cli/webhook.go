package cli

import (
	"context"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

type webhookCmd struct {
	Add      webhookAddCmd      `cmd:"" help:"Create a webhook and print its secret once."`
	List     webhookListCmd     `cmd:"" help:"List the webhooks, oldest first."`
	Test     webhookTestCmd     `cmd:"" help:"Send a message of type webhook.test to a webhook now."`
	Attempts webhookAttemptsCmd `cmd:"" help:"List the attempts of a webhook, newest first."`
	Enable   webhookEnableCmd   `cmd:"" help:"Enable a webhook that was disabled."`
	Disable  webhookDisableCmd  `cmd:"" help:"Send a webhook nothing until it is enabled."`
	Rotate   webhookRotateCmd   `cmd:"" help:"Give a webhook a new secret and print it once."`
	Remove   webhookRemoveCmd   `cmd:"" help:"Remove a webhook."`
}

// webhookArg names a webhook on a server.
type webhookArg struct {
	remote
	ID string `arg:"" name:"id" help:"Id of the webhook, as shown by webhook list."`
}

// shown calls the server, and prints the webhook that it returns.
func (r *remote) shown(a *program, do func(server *client.Client) (*wire.Webhook, error)) error {
	server, hangUp, err := r.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	w, err := do(server)
	if err != nil {
		return err
	}
	if r.JSON {
		return a.printJSON(w)
	}
	a.say("Webhook %s: %s, %s", w.ID, w.URL, webhookState(*w))
	a.say("Types: %s", typeList(w.Types))
	if w.Secret != "" {
		a.say("Secret, shown only this once: %s", a.style.bold(w.Secret))
	}
	if !w.PreviousUntil.IsZero() && w.Secret != "" {
		a.say("Messages are signed with the old secret too until %s.", when(w.PreviousUntil.Time))
	}
	return nil
}

// webhookState says in words whether a webhook gets messages.
func webhookState(w wire.Webhook) string {
	switch {
	case w.Enabled && w.FailingSince.IsZero():
		return "enabled"
	case w.Enabled:
		return "failing since " + when(w.FailingSince.Time)
	case w.DisabledReason == schoolbell.WebhookGone:
		return "disabled: its receiver replied 410"
	case w.DisabledReason == schoolbell.WebhookFailing:
		return "disabled: it failed for days"
	}
	return "disabled"
}

func typeList(types []schoolbell.WebhookType) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = string(t)
	}
	return strings.Join(texts, " ")
}

type webhookAddCmd struct {
	remote
	URL         string   `arg:"" name:"url" help:"https URL that takes the messages."`
	Types       []string `name:"type" placeholder:"TYPE" help:"What it is told: ${webhook_types}. All if left out. Repeat it, or separate several by commas."`
	Description string   `name:"description" placeholder:"TEXT" help:"For the staff, one line."`
}

// Run creates a webhook.
func (c *webhookAddCmd) Run(ctx context.Context, a *program) error {
	w := wire.NewWebhook{URL: c.URL, Types: schoolbell.WebhookTypes(), Description: c.Description}
	if len(c.Types) > 0 {
		w.Types = nil
		for _, t := range c.Types {
			w.Types = append(w.Types, schoolbell.WebhookType(t))
		}
	}
	return c.shown(a, func(s *client.Client) (*wire.Webhook, error) { return s.AddWebhook(ctx, w) })
}

type webhookListCmd struct{ remote }

// Run lists the webhooks.
func (c *webhookListCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	all, err := server.Webhooks(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(wire.WebhookList{Webhooks: all})
	}
	if len(all) == 0 {
		a.say("No webhooks.")
		return nil
	}
	t := newTable("ID", "STATE", "URL", "TYPES", "DESCRIPTION")
	for _, w := range all {
		t.add(w.ID, webhookState(w), w.URL, typeList(w.Types), w.Description)
	}
	t.print(a.Out, a.style)
	return nil
}

type webhookTestCmd struct{ webhookArg }

// Run sends a test message. A receiver that does not take it is a failure.
func (c *webhookTestCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	attempt, err := server.TestWebhook(ctx, c.ID)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		if err := a.printJSON(attempt); err != nil {
			return err
		}
	case attempt.OK:
		a.say("The receiver replied %d after %d ms.", attempt.Status, attempt.DurationMS)
	default:
		a.complain("the test message was not taken: %s", attempt.Error)
	}
	if !attempt.OK {
		return quietError{}
	}
	return nil
}

type webhookAttemptsCmd struct {
	webhookArg
	pageFlags
}

// Run lists attempts.
func (c *webhookAttemptsCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.WebhookAttempts(ctx, c.ID, c.page())
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Attempts) == 0 {
		a.say("No attempts.")
		return nil
	}
	t := newTable("TIME", "TYPE", "MESSAGE", "ATTEMPT#", "STATUS#", "TOOK#", "ERROR")
	for _, e := range page.Attempts {
		status, fault := "-", "-"
		if e.Status != 0 {
			status = strconv.Itoa(e.Status)
		}
		if e.Error != "" {
			fault = e.Error
		}
		t.add(when(e.At.Time), string(e.Type), e.MessageID, strconv.Itoa(e.Number), status, number(e.DurationMS)+" ms", fault)
	}
	t.print(a.Out, a.style)
	a.more(page.Next)
	return nil
}

type webhookEnableCmd struct{ webhookArg }

// Run enables a webhook.
func (c *webhookEnableCmd) Run(ctx context.Context, a *program) error {
	return c.shown(a, func(s *client.Client) (*wire.Webhook, error) {
		return s.ChangeWebhook(ctx, c.ID, wire.WebhookChange{Enabled: new(true)})
	})
}

type webhookDisableCmd struct{ webhookArg }

// Run disables a webhook.
func (c *webhookDisableCmd) Run(ctx context.Context, a *program) error {
	return c.shown(a, func(s *client.Client) (*wire.Webhook, error) {
		return s.ChangeWebhook(ctx, c.ID, wire.WebhookChange{Enabled: new(false)})
	})
}

type webhookRotateCmd struct{ webhookArg }

// Run gives a webhook a new secret.
func (c *webhookRotateCmd) Run(ctx context.Context, a *program) error {
	return c.shown(a, func(s *client.Client) (*wire.Webhook, error) { return s.RotateWebhook(ctx, c.ID) })
}

type webhookRemoveCmd struct{ webhookArg }

// Run removes a webhook.
func (c *webhookRemoveCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := server.RemoveWebhook(ctx, c.ID); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]string{"removed": c.ID})
	}
	a.say("Webhook %s is removed.", c.ID)
	return nil
}
