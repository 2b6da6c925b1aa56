package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
	"schoolbell/internal/inbox"
	"schoolbell/internal/notify"
	"schoolbell/internal/people"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
)

// ledgerTimeout is how long the start waits for a ledger that does not answer.
const ledgerTimeout = 5 * time.Second

// ledger is what all parts together need of a store.
type ledger interface {
	notify.Ledger
	people.Store
	inbox.Store
	auth.Store
	api.Store
	Migrate(ctx context.Context) error
	Schema(ctx context.Context) (have, want int64, err error)
	Close() error
}

// openLedger connects to the ledger that the settings name and leaves its schema alone.
func openLedger(ctx context.Context, cfg *config.Config) (ledger, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	if cfg.Ledger.DatabaseURL != "" {
		dsn, err := cfg.Ledger.DSN()
		if err != nil {
			return nil, schoolbell.Invalid("DATABASE_URL", "%v", err)
		}
		l, err := postgres.Open(ctx, dsn, postgres.Options{Connections: cfg.Ledger.Connections, ConnectTimeout: ledgerTimeout})
		if err != nil {
			return nil, ledgerAway(cfg, err)
		}
		return l, nil
	}
	l, err := sqlite.Open(ctx, cfg.SQLitePath(), sqlite.Options{})
	if err != nil {
		return nil, ledgerAway(cfg, err)
	}
	return l, nil
}

// ledgerAway explains a ledger that cannot be reached and says how to mend it.
func ledgerAway(cfg *config.Config, err error) error {
	name := cfg.LedgerName()
	switch {
	case cfg.Ledger.DatabaseURL != "" && schoolbell.CodeOf(err) == schoolbell.CodeInvalid:
		return advise(fmt.Errorf("the ledger cannot be opened: %w", err), "set DATABASE_URL as in postgres://user:password@host:5432/name")
	case cfg.Ledger.DatabaseURL != "":
		return advise(fmt.Errorf("the ledger cannot be reached: %s: %s", name, postgresReason(err)), "%s", postgresAdvice(err))
	case errors.Is(err, fs.ErrPermission):
		return advise(fmt.Errorf("the ledger cannot be opened: %s: %w", name, err), "let this user write there, or set DATA_DIR to another folder")
	}
	return advise(fmt.Errorf("the ledger cannot be opened: %s: %w", name, err), "set DATA_DIR to a folder this user may write to")
}

// postgresReason says why PostgreSQL cannot be used, without the machinery.
func postgresReason(err error) string {
	pg, _ := errors.AsType[*pgconn.PgError](err)
	switch {
	case pg != nil && (pg.Code == pgWrongPassword || pg.Code == pgRefusedUser):
		return "it refuses our login"
	case pg != nil:
		return oneLine(pg.Message)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("it does not answer, waited %v", ledgerTimeout)
	}
	return reasonOf(err)
}

// postgresAdvice says what to do about a PostgreSQL that cannot be used.
func postgresAdvice(err error) string {
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case badCert:
		return "add sslrootcert=FILE to DATABASE_URL for an authority of your own (PEM), and use the host name of the certificate"
	case strings.Contains(err.Error(), "refused TLS"): // the driver has no error of its own for it
		return "turn TLS on in PostgreSQL, or add sslmode=disable to DATABASE_URL if the network is private"
	}
	return "start PostgreSQL, or check DATABASE_URL"
}

// PostgreSQL's codes for a login that is refused.
const (
	pgWrongPassword = "28P01" // wrong password
	pgRefusedUser   = "28000" // no such user, or not from here
)

// readyLedger opens the ledger and sees to it that its schema is this
// program's. SQLite belongs to one installation and migrates by itself;
// PostgreSQL may be shared with older programs that still run, so only an empty
// one is migrated here.
func readyLedger(ctx context.Context, cfg *config.Config, log *slog.Logger) (ledger, error) {
	l, err := openLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, cfg, l, log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func prepare(ctx context.Context, cfg *config.Config, l ledger, log *slog.Logger) error {
	read, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	have, want, err := l.Schema(read)
	if err != nil {
		return ledgerAway(cfg, err)
	}
	switch {
	case have == want:
		return nil
	case have > want:
		return schemaAhead(have, want)
	case have > 0 && cfg.Ledger.DatabaseURL != "":
		return advise(fmt.Errorf("the ledger's schema is version %d and this program needs %d", have, want), "run: schoolbell migrate")
	}
	if err := l.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate the ledger from version %d to %d: %w", have, want, err)
	}
	log.Info("ledger migrated", "from", have, "to", want)
	return nil
}

func schemaAhead(have, want int64) error {
	return advise(fmt.Errorf("the ledger's schema is version %d, newer than this program, which knows %d", have, want), "run a newer schoolbell on this ledger")
}
