package cli

import (
	"context"
	"errors"
	"fmt"

	"schoolbell/internal/app"
	"schoolbell/internal/config"
)

type migrateCmd struct {
	Status bool        `name:"status" help:"Only print the ledger's version and the version that this program needs."`
	JSON   bool        `name:"json" help:"Print as JSON."`
	Config config.Core `embed:""`
}

type migrationJSON struct {
	Ledger string `json:"ledger"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Needed int64  `json:"needed"`
	Usable bool   `json:"usable"` // by this program, as it is afterwards
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
	s, err := l.Schema(ctx)
	if err != nil {
		return app.LedgerUnavailable(&c.Config, err)
	}
	done := migrationJSON{Ledger: c.Config.LedgerName(), From: s.Version, To: s.Version, Needed: s.Needed, Usable: s.Usable()}
	if !c.Status {
		if s.Ahead() {
			return app.SchemaAhead(s)
		}
		if err := l.Migrate(ctx); err != nil {
			return fmt.Errorf("migrate the ledger from version %d to %d: %w", s.Version, s.Needed, err)
		}
		done.To, done.Usable = max(s.Version, s.Needed), true
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
	case m.From > m.Needed && m.Usable:
		return fmt.Sprintf("%s: version %d, newer than this program, which can use it", m.Ledger, m.From)
	case status && m.From > m.Needed:
		return fmt.Sprintf("%s: version %d, newer than this program, which supports %d", m.Ledger, m.From, m.Needed)
	case status:
		return fmt.Sprintf("%s: version %d, this program needs %d; run: schoolbell migrate", m.Ledger, m.From, m.Needed)
	case m.From == m.To:
		return fmt.Sprintf("%s: version %d, nothing to do", m.Ledger, m.From)
	}
	return fmt.Sprintf("%s: version %d → %d", m.Ledger, m.From, m.To)
}
