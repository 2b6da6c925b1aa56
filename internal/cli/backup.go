package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"schoolbell/internal/advice"
	"schoolbell/internal/app"
	"schoolbell/internal/config"
	"schoolbell/wire"
)

type backupCmd struct {
	File   string      `arg:"" name:"file" help:"New file for the backup."`
	JSON   bool        `name:"json" help:"Print as JSON."`
	Config config.Core `embed:""`
}

type copyJSON struct {
	File       string    `json:"file"`
	MadeAt     wire.Time `json:"made_at"`
	Bytes      int64     `json:"bytes"`
	Version    int64     `json:"version"`
	People     int       `json:"people"`
	Events     int       `json:"events"`
	Open       int       `json:"open_events"`
	Deliveries int       `json:"deliveries"`
	Replaced   string    `json:"replaced,omitempty"` // the ledger that was there before
}

func newCopyJSON(file string, c app.LedgerCopy) copyJSON {
	return copyJSON{File: file, MadeAt: wire.At(c.At), Bytes: c.Bytes, Version: c.Schema.Version,
		People: c.People, Events: c.Events, Open: c.Open, Deliveries: c.Deliveries}
}

// String says what a copy has.
func (c copyJSON) String() string {
	return fmt.Sprintf("%s, %s, %s open, %s, version %d", count(c.People, "person", "people"), count(c.Events, "event", "events"), number(c.Open),
		count(c.Deliveries, "delivery", "deliveries"), c.Version)
}

// Run backs up the ledger, which may be in use.
func (c *backupCmd) Run(ctx context.Context, a *program) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	if c.Config.Ledger.DatabaseURL != "" {
		return advice.Add(usage("the ledger is in PostgreSQL, whose own tools back it up"), `run: pg_dump --format=custom --file=%s "$DATABASE_URL"`, c.File)
	}
	made, err := app.BackUpLedger(ctx, &c.Config, c.File)
	if err != nil {
		return err
	}
	out := newCopyJSON(c.File, made)
	if c.JSON {
		return a.printJSON(out)
	}
	a.say("Backed up %s to %s: %s bytes, checked.", c.Config.SQLitePath(), c.File, number(int(made.Bytes)))
	a.say("It has %s.", out)
	return nil
}

type restoreCmd struct {
	File   string      `arg:"" name:"file" help:"Backup, as schoolbell backup made it."`
	JSON   bool        `name:"json" help:"Print as JSON."`
	Config config.Core `embed:""`
}

// Run puts a backup in the place of the ledger.
func (c *restoreCmd) Run(ctx context.Context, a *program) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	if c.Config.Ledger.DatabaseURL != "" {
		return advice.Add(usage("the ledger is in PostgreSQL, whose own tools restore it"),
			`stop all programs, create an empty database, and run: pg_restore --exit-on-error --dbname="$DATABASE_URL" %s`, c.File)
	}
	path := c.Config.SQLitePath()
	made, replaced, err := app.RestoreLedger(ctx, &c.Config, c.File, newLogger(a.Err, c.Config.General))
	if err != nil {
		return err
	}
	out := newCopyJSON(c.File, made)
	out.Replaced = replaced
	if c.JSON {
		return a.printJSON(out)
	}
	a.say("Restored %s to %s: the ledger as it was at %s.", c.File, path, when(made.At))
	a.say("It has %s.", out)
	if replaced != "" {
		a.say("The ledger before it is kept as %s.", filepath.Base(replaced))
	}
	a.say("After the start, list held events with: schoolbell event list --status held")
	return nil
}

type markRestoredCmd struct {
	JSON   bool        `name:"json" help:"Print as JSON."`
	Config config.Core `embed:""`
}

// Run declares that the ledger was restored.
func (c *markRestoredCmd) Run(ctx context.Context, a *program) error {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	held, err := app.DeclareRestored(asAccount(ctx), &c.Config)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"ledger": c.Config.LedgerName(), "held": held})
	}
	a.say("%s: %s held.", c.Config.LedgerName(), count(held, "event is", "events are"))
	return nil
}
