package cli

import (
	"context"
	"errors"
	"fmt"

	"schoolbell/internal/app"
	"schoolbell/internal/config"
)

type migrateCmd struct {
	Status bool          `name:"status" help:"Only print the ledger's version and the version that this program needs."`
	JSON   bool          `name:"json" help:"Print as JSON."`
	Config config.Config `embed:""`
}

type migrationJSON struct {
	Ledger string `json:"ledger"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Needed int64  `json:"needed"`
}

// Run brings the schema up to date.
func (c *migrateCmd) Run(ctx context.Context, a *program) (err error) {
	if err := a.load(&c.Config); err != nil {
		return err
	}
	l, err := app.OpenLedger(ctx, &c.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	have, want, err := l.Schema(ctx)
	if err != nil {
		return app.LedgerUnavailable(&c.Config, err)
	}
	done := migrationJSON{Ledger: c.Config.LedgerName(), From: have, To: have, Needed: want}
	if !c.Status {
		if have > want {
			return app.SchemaAhead(have, want)
		}
		if err := l.Migrate(ctx); err != nil {
			return fmt.Errorf("migrate the ledger from version %d to %d: %w", have, want, err)
		}
		done.To = want
	}
	if c.JSON {
		return a.printJSON(done)
	}
	a.say("%s", describe(done, c.Status))
	return nil
}

func describe(m migrationJSON, status bool) string {
	switch {
	case status && m.From == m.Needed:
		return fmt.Sprintf("%s: version %d, up to date", m.Ledger, m.From)
	case status && m.From > m.Needed:
		return fmt.Sprintf("%s: version %d, newer than this program, which supports %d", m.Ledger, m.From, m.Needed)
	case status:
		return fmt.Sprintf("%s: version %d, this program needs %d; run: schoolbell migrate", m.Ledger, m.From, m.Needed)
	case m.From == m.To:
		return fmt.Sprintf("%s: version %d, nothing to do", m.Ledger, m.From)
	}
	return fmt.Sprintf("%s: version %d → %d", m.Ledger, m.From, m.To)
}
