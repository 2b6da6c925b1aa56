package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"schoolbell"
	"schoolbell/internal/advice"
	"schoolbell/internal/config"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
)

// LedgerTimeout is how long the start waits for a ledger that does not answer.
const LedgerTimeout = 5 * time.Second

// OpenLedger connects to the ledger that the settings name and leaves its schema alone.
func OpenLedger(ctx context.Context, cfg *config.Core) (*store.Ledger, error) {
	ctx, cancel := context.WithTimeout(ctx, LedgerTimeout)
	defer cancel()
	if cfg.Ledger.DatabaseURL != "" {
		dsn, err := cfg.Ledger.DSN()
		if err != nil {
			return nil, schoolbell.Invalid("DATABASE_URL", "%v", err)
		}
		db, err := postgres.Open(ctx, dsn, postgres.Options{Connections: cfg.Ledger.Connections, ConnectTimeout: LedgerTimeout})
		if err != nil {
			return nil, LedgerUnavailable(cfg, err)
		}
		return store.OnPostgres(db), nil
	}
	db, err := sqlite.Open(ctx, cfg.SQLitePath(), sqlite.Options{})
	if err != nil {
		return nil, LedgerUnavailable(cfg, err)
	}
	return store.OnSQLite(db), nil
}

// LedgerUnavailable explains a ledger that cannot be used and says how to fix it.
func LedgerUnavailable(cfg *config.Core, err error) error {
	name := cfg.LedgerName()
	switch {
	case cfg.Ledger.DatabaseURL != "" && schoolbell.CodeOf(err) == schoolbell.CodeInvalid:
		return advice.Add(fmt.Errorf("the ledger cannot be opened: %w", err), "set DATABASE_URL as in postgres://user:password@host:5432/name")
	case cfg.Ledger.DatabaseURL != "":
		return advice.Add(fmt.Errorf("the ledger cannot be reached: %s: %s", name, postgresReason(err)), "%s", postgresAdvice(err))
	case errors.Is(err, fs.ErrPermission):
		return advice.Add(fmt.Errorf("the ledger cannot be opened: %s: %w", name, err), "let this user write there, or set DATA_DIR to another folder")
	}
	return advice.Add(fmt.Errorf("the ledger cannot be opened: %s: %w", name, err), "set DATA_DIR to a folder this user may write to")
}

// postgresReason says why PostgreSQL cannot be used, without the details of the driver.
func postgresReason(err error) string {
	if refusal, ok := postgres.Refusal(err); ok {
		return oneLine(refusal)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", LedgerTimeout)
	}
	return Reason(err)
}

// postgresAdvice says what to do about a PostgreSQL that cannot be used.
func postgresAdvice(err error) string {
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case badCert:
		return "add sslrootcert=FILE to DATABASE_URL for a private certificate authority (PEM), and use the host name of the certificate"
	case postgres.RefusedTLS(err):
		return "enable TLS in PostgreSQL, or add sslmode=disable to DATABASE_URL if the network is private"
	}
	return "start PostgreSQL, or check DATABASE_URL"
}

// ReadyLedger opens the ledger and makes sure that its schema is this program's.
// A SQLite file belongs to one installation and is migrated here. PostgreSQL may be
// shared with older programs that still run, so it is migrated only when it is empty.
func ReadyLedger(ctx context.Context, cfg *config.Core, log *slog.Logger) (*store.Ledger, error) {
	l, err := OpenLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = prepare(ctx, cfg, l, log)
	if err == nil {
		err = holdRestored(ctx, cfg, l, log)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func prepare(ctx context.Context, cfg *config.Core, l *store.Ledger, log *slog.Logger) error {
	read, cancel := context.WithTimeout(ctx, LedgerTimeout)
	defer cancel()
	s, err := l.Schema(read)
	if err != nil {
		return LedgerUnavailable(cfg, err)
	}
	switch {
	case s.Usable():
		return nil
	case s.Ahead():
		return SchemaAhead(s)
	case s.Version > 0 && cfg.Ledger.DatabaseURL != "":
		return advice.Add(fmt.Errorf("the ledger's schema is version %d and this program needs %d", s.Version, s.Needed), "run: schoolbell migrate")
	}
	if err := l.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate the ledger from version %d to %d: %w", s.Version, s.Needed, err)
	}
	log.Info("ledger migrated", "from", s.Version, "to", s.Needed)
	return nil
}

// SchemaAhead is the error of a ledger that a newer program has migrated.
func SchemaAhead(s ledger.Schema) error {
	return advice.Add(fmt.Errorf("the ledger's schema is version %d, newer than this program, which supports %d", s.Version, s.Needed), "run a newer schoolbell on this ledger")
}
