package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/internal/advice"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite/backup"
)

// LedgerCopy is what a backup of a ledger has.
type LedgerCopy = backup.Copy

// BackUpLedger copies the ledger in SQLite, which may be in use, to a new file.
func BackUpLedger(ctx context.Context, cfg *config.Core, to string) (LedgerCopy, error) {
	c, err := backup.Make(ctx, cfg.SQLitePath(), to)
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeConflict:
		err = advice.Add(err, "choose another name, such as one with the date")
	case schoolbell.CodeNotFound:
		err = advice.Add(err, "set DATA_DIR to the folder of the server")
	}
	return c, err
}

// RestoreLedger puts a backup in the place of the ledger in SQLite, which no process may use, and holds the events that may have been
// sent since. What was there is kept as replaced.
func RestoreLedger(ctx context.Context, cfg *config.Core, from string, log *slog.Logger) (c LedgerCopy, replaced string, err error) {
	c, replaced, err = backup.Restore(ctx, from, cfg.SQLitePath(), time.Now())
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeConflict:
		return c, "", advice.Add(err, "stop serve and the workers first")
	case err != nil:
		return c, "", err
	}
	l, err := ReadyLedger(ctx, cfg, log) // holds the events, and logs how many
	if err != nil {
		return c, replaced, err
	}
	return c, replaced, l.Close()
}

// DeclareRestored holds the open events of a ledger that was restored in a way that programs do not recognize. It
// returns how many these are.
func DeclareRestored(ctx context.Context, cfg *config.Core) (held int, err error) {
	l, err := OpenLedger(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	s, err := l.Schema(ctx)
	if err != nil {
		return 0, LedgerUnavailable(cfg, err)
	}
	if !s.Usable() {
		return 0, advice.Add(fmt.Errorf("the ledger's schema is version %d and this program needs %d", s.Version, s.Needed), "see schoolbell migrate --status")
	}
	change := restoreChange(auth.PrincipalOf(ctx).Actor())
	r, err := l.Restores.HoldRestored(ledger.WithChange(ctx, change), true, cfg.Ledger.HoldAge)
	return r.Held, err
}

// holdRestored holds the open events of a ledger that was restored from a backup, before anything is sent.
func holdRestored(ctx context.Context, cfg *config.Core, l *store.Ledger, log *slog.Logger) error {
	change := restoreChange(schoolbell.Actor{Kind: schoolbell.ActorSystem})
	r, err := l.Restores.HoldRestored(ledger.WithChange(ctx, change), false, cfg.Ledger.HoldAge)
	if err != nil {
		return LedgerUnavailable(cfg, err)
	}
	if r.Found {
		from := "unknown"
		if !r.CopiedAt.IsZero() {
			from = r.CopiedAt.Format(time.RFC3339)
		}
		log.Warn("the ledger was restored from a backup: open events that may have been sent are held until you release or cancel them", "backup", from, "held", r.Held)
	}
	return nil
}

// restoreChange returns the audit entry of a restored ledger that an actor has opened or declared.
func restoreChange(by schoolbell.Actor) *ledger.Change {
	return ledger.NewChange(schoolbell.AuditEntry{At: time.Now(), Actor: by, Action: "ledger.restore", Target: schoolbell.Target{Kind: "ledger"}})
}
