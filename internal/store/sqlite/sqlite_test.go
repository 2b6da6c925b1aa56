package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
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

// database makes a migrated file.
func database(t testing.TB) func() *store.Ledger {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := open(t, path).Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return func() *store.Ledger { return store.OnSQLite(open(t, path)) }
}

func TestStore(t *testing.T) { storetest.Run(t, database) }

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("concurrent processes migrate once", testMigrateConcurrent)
	t.Run("Ping and Migrate reject another schema", testMigrateNewerSchema)
}

func testMigrateConcurrent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	var wg sync.WaitGroup
	for range 6 {
		db := open(t, path)
		wg.Go(func() {
			if err := db.Migrate(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := open(t, path)
	if err := db.Migrate(t.Context()); err != nil {
		t.Errorf("migrate a current ledger: %v", err)
	}
	s, err := db.Schema(t.Context())
	if err != nil || s.Version != s.Needed || s.Version == 0 {
		t.Errorf("schema %+v, %v", s, err)
	}
	file := raw(t, path)
	var rows, versions int
	if err := file.QueryRow("SELECT count(*), count(DISTINCT version_id) FROM goose_db_version").Scan(&rows, &versions); err != nil || rows != versions {
		t.Errorf("%d rows for %d versions, %v", rows, versions, err)
	}
}

// raw opens the file without the store.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// only expects that a folder has these files and no others.
func only(t *testing.T, folder string, names ...string) {
	t.Helper()
	var found []string
	list, err := os.ReadDir(folder)
	for _, e := range list {
		found = append(found, e.Name())
	}
	if err != nil || fmt.Sprint(found) != fmt.Sprint(names) {
		t.Errorf("the folder has %v, want %v, %v", found, names, err)
	}
}

// create stores an event.
func create(t *testing.T, l *store.Ledger) error {
	_, _, err := l.Events.CreateEvent(t.Context(), &schoolbell.Event{ID: uuid.NewString(), Title: "A", Body: strings.Repeat("B", 2000), Category: schoolbell.CategoryEvent,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp},
		Status: schoolbell.EventQueued, CreatedAt: schoolbell.Time(time.Now())}, nil, ledger.Idempotency{})
	return err
}

func testMigrateNewerSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	db := open(t, path)
	if err := db.Ping(t.Context()); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
		t.Errorf("ping of an empty file: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, path).Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Ping(t.Context()), db.Migrate(t.Context())); err != nil {
		t.Errorf("a newer schema for programs of this version too: %v", err)
	}
	if _, err := raw(t, path).Exec("UPDATE installation SET oldest_program = 999"); err != nil {
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
	t.Run("any path works and the file is private", testOpenAnyPath)
	t.Run("an unusable file is reported", testOpenUnusable)
	t.Run("the last one to close leaves no log", testOpenClosed)
}

func testOpenAnyPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "with space?and#signs%41&x=1.db", "školа/学校 'q\".db"} {
		path := filepath.Join(t.TempDir(), "new", name)
		db := open(t, path)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Errorf("the ledger is not at its path: %v", err)
		} else if info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%s has mode %v and %d bytes", name, info.Mode(), info.Size())
		}
	}
}

func testOpenUnusable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a folder": dir, "under a file": filepath.Join(garbage, "x.db"), "not a database": garbage} {
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err == nil {
			err = db.Ping(t.Context())
			_ = db.Close()
		}
		if e, ok := errors.AsType[*schoolbell.Error](err); !ok || e.Code != schoolbell.CodeUnavailable || e.Message == "" {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
}

func TestBlockedLedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := open(t, path).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := raw(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := (sqlite.Auth{DB: db}).Secret(t.Context(), "x", []byte("y")); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
		t.Errorf("write beside another writer: %v", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("read beside another writer: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, err := (sqlite.Auth{DB: db}).Secret(t.Context(), "x", []byte("y")); err != nil {
		t.Errorf("write after it: %v", err)
	}
}

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, database) }

func BenchmarkSteps(b *testing.B) { storetest.BenchmarkSteps(b, database, nil) }

// SQLite keeps a connection that has prepared statements, and with it the log.
func testOpenClosed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Migrate(t.Context()), create(t, store.OnSQLite(db)), db.Close()); err != nil {
		t.Fatal(err)
	}
	only(t, filepath.Dir(path), "ledger.db", "ledger.db-migrate")
}
