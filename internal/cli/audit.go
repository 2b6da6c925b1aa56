package cli

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

type auditCmd struct {
	remote
	Actor  string `name:"actor" placeholder:"ACTOR" help:"Only changes by this kind of actor, or by one: key, user, cli, key:0123456789ab."`
	Action string `name:"action" placeholder:"ACTION" help:"Only changes of this kind, such as event.cancel."`
	Target string `name:"target" placeholder:"TARGET" help:"Only changes to this kind of thing, or to one: event, user:anne."`
	From   string `name:"from" placeholder:"TIME" help:"Only changes at this time or later: 2026-12-01, 2026-12-01T08:00."`
	To     string `name:"to" placeholder:"TIME" help:"Only changes before this time."`
	pageFlags
}

// Run lists changes.
func (c *auditCmd) Run(ctx context.Context, a *program) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.Audit(ctx, f, c.page())
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	if len(page.Items) == 0 {
		a.say("No changes.")
		return nil
	}
	t := newTable("TIME", "ACTOR", "ACTION", "TARGET", "CHANGES")
	for _, e := range page.Items {
		t.add(when(e.At.Time), named(string(e.Actor.Kind), e.Actor.ID, e.Actor.Name), e.Action, named(e.Target.Kind, e.Target.ID, ""), details(e))
	}
	t.print(a.Out, a.style)
	a.more(page.Next)
	return nil
}

func (c *auditCmd) filter() (f schoolbell.AuditFilter, err error) {
	kind, id, _ := strings.Cut(c.Actor, ":")
	f = schoolbell.AuditFilter{Action: c.Action, Actor: schoolbell.Actor{Kind: schoolbell.ActorKind(kind), ID: id}}
	f.Target.Kind, f.Target.ID, _ = strings.Cut(c.Target, ":")
	for _, t := range []struct {
		flag, text string
		target     *time.Time
	}{{"from", c.From, &f.From}, {"to", c.To, &f.To}} {
		if *t.target, err = parseExpiry(t.text, time.Now()); err != nil {
			return f, usage("--%s: %v", t.flag, err)
		}
	}
	return f, nil
}

// named is a thing by its kind, its id and perhaps its name.
func named(kind, id, name string) string {
	if id != "" {
		kind += ":" + id
	}
	if name != "" {
		kind += " (" + name + ")"
	}
	return kind
}

// details are the changes of an entry on one line.
func details(e wire.AuditEntry) string {
	text, err := json.Marshal(e.Changes)
	if err != nil || len(e.Changes) == 0 {
		return "-"
	}
	return string(text)
}
