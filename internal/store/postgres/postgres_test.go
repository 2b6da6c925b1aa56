package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), url, postgres.Options{Connections: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// database makes a migrated database.
func database(t testing.TB) func() *store.Ledger {
	t.Helper()
	url := migrated(t)
	return func() *store.Ledger { return store.OnPostgres(open(t, url)) }
}

func TestStore(t *testing.T) { storetest.Run(t, database) }

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("concurrent processes migrate once", testMigrateConcurrent)
	t.Run("Ping and Migrate reject another schema", testMigrateNewerSchema)
}

func testMigrateConcurrent(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	var wg sync.WaitGroup
	for range 4 {
		db := open(t, url)
		wg.Go(func() {
			if err := db.Migrate(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := open(t, url)
	if err := db.Migrate(t.Context()); err != nil {
		t.Errorf("migrate a current ledger: %v", err)
	}
	s, err := db.Schema(t.Context())
	if err != nil || s.Version != s.Needed || s.Version == 0 {
		t.Errorf("schema %+v, %v", s, err)
	}
	var rows, versions int
	if err := raw(t, url).QueryRow(t.Context(), "SELECT count(*), count(DISTINCT version_id) FROM goose_db_version").Scan(&rows, &versions); err != nil || rows != versions {
		t.Errorf("%d rows for %d versions, %v", rows, versions, err)
	}
}

// raw connects without the store.
func raw(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func testMigrateNewerSchema(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	db := open(t, url)
	if err := db.Ping(t.Context()); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
		t.Errorf("ping of an empty database: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, url).Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Ping(t.Context()), db.Migrate(t.Context())); err != nil {
		t.Errorf("a newer schema for programs of this version too: %v", err)
	}
	if _, err := raw(t, url).Exec(t.Context(), "UPDATE installation SET oldest_program = 999"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"ping": db.Ping(t.Context()), "migrate": db.Migrate(t.Context())} {
		if schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
			t.Errorf("%s of a newer schema: %v", name, err)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	t.Run("an unusable database is explained", testOpenUnusable)
}

func testOpenUnusable(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	for _, c := range []struct {
		name, url string
		want      schoolbell.Code
	}{
		{"nobody listens", fmt.Sprintf("postgres://u@127.0.0.1:%d/x", testenv.FreePort(t)), schoolbell.CodeUnavailable},
		{"no such database", url[:strings.LastIndexByte(url, '/')] + "/nowhere?sslmode=disable", schoolbell.CodeUnavailable},
		{"not a URL", "postgres://u:secret@host:port/x", schoolbell.CodeInvalid},
	} {
		db, err := postgres.Open(t.Context(), c.url, postgres.Options{})
		if err == nil {
			_ = db.Close()
		}
		if got := schoolbell.CodeOf(err); got != c.want {
			t.Errorf("%s: %v has code %q, want %q", c.name, err, got, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", c.name, err)
		}
	}
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	server := testenv.PostgresServer(t, testenv.PostgresOptions{Durable: true})
	db := open(t, server.Database())
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	for name, call := range map[string]func() error{
		"a read":  func() error { _, _, err := postgres.Inboxes{DB: db}.InboxTail(t.Context()); return err },
		"a write": func() error { _, err := postgres.Auth{DB: db}.Secret(t.Context(), "x", []byte("y")); return err },
		"a claim": func() error {
			_, err := postgres.Deliveries{DB: db}.Advance(t.Context(), []ledger.Step{{Batch: ledger.Batch{EventID: "x", Channel: schoolbell.ChannelEmail}, Claim: 1}})
			return err
		},
	} {
		if err := call(); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
			t.Errorf("%s while the server is down: %v", name, err)
		}
	}
	server.Restart()
	testenv.Eventually(t, time.Minute, func() error { return db.Ping(t.Context()) }, "the ledger answers again")
	if _, err := (postgres.Auth{DB: db}).Secret(t.Context(), "x", []byte("y")); err != nil {
		t.Errorf("a write after the restart: %v", err)
	}
}

func TestInvalidText(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	db := open(t, url)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a\x00b", "\xff"} {
		if _, err := (postgres.People{DB: db}).User(t.Context(), id); schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
			t.Errorf("user %q: %v", id, err)
		}
	}
}
