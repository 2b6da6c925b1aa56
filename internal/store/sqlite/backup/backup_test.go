package backup_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/store/sqlite/backup"
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

// raw opens the file as another program would.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestBackup(t *testing.T) {
	t.Parallel()
	t.Run("it is of one moment while others write", testBackupWhileWriting)
	t.Run("it is private and overwrites nothing", testBackupPrivate)
	t.Run("a damaged ledger leaves no backup", testBackupDamaged)
	t.Run("a file without a ledger is refused", testBackupNothing)
}

func TestRestore(t *testing.T) {
	t.Parallel()
	t.Run("the next opening finds that it was restored", testRestoreFound)
	t.Run("an unusable ledger is replaced", testRestoreOverDamage)
	t.Run("an unusable backup changes nothing", testRestoreRefused)
}

// school makes a ledger with an event in a file.
func school(t *testing.T) (l *store.Ledger, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ledger.db")
	db := open(t, path)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l = store.OnSQLite(db)
	if err := create(t, l); err != nil {
		t.Fatal(err)
	}
	return l, path
}

// create stores an event.
func create(t *testing.T, l *store.Ledger) error {
	_, _, err := l.Events.CreateEvent(t.Context(), &schoolbell.Event{ID: uuid.NewString(), Title: "A", Body: strings.Repeat("B", 2000), Category: schoolbell.CategoryEvent,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp},
		Status: schoolbell.EventQueued, CreatedAt: schoolbell.Time(time.Now())}, nil, ledger.Idempotency{})
	return err
}

func testBackupWhileWriting(t *testing.T) {
	t.Parallel()
	l, path := school(t)
	for range 3000 { // more pages than one step copies
		if err := create(t, l); err != nil {
			t.Fatal(err)
		}
	}
	done, wrote := make(chan struct{}), make(chan error, 1)
	written := make(chan struct{}, 1)
	go func() {
		var err error
		for n := 0; err == nil; n++ {
			select {
			case <-done:
				wrote <- nil
				return
			default:
			}
			err = create(t, l)
			select {
			case written <- struct{}{}:
			default:
			}
		}
		wrote <- err
	}()
	<-written
	to := filepath.Join(t.TempDir(), "copy.db")
	c, err := backup.Make(t.Context(), path, to)
	close(done)
	if err := errors.Join(err, <-wrote); err != nil {
		t.Fatal(err)
	}
	if c.Events < 3001 || c.Open != c.Events || c.Schema.Version == 0 || time.Since(c.At) > time.Minute {
		t.Errorf("the copy has %+v", c)
	}
	var events, waves int
	if err := raw(t, to).QueryRow("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM waves)").Scan(&events, &waves); err != nil || events != c.Events || waves != events {
		t.Errorf("%d events and %d waves, %v; the copy said %d", events, waves, err, c.Events)
	}
}

func testBackupPrivate(t *testing.T) {
	t.Parallel()
	_, path := school(t)
	folder := t.TempDir()
	to := filepath.Join(folder, "copy.db")
	c, err := backup.Make(t.Context(), path, to)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode() != 0o600 || info.Size() != c.Bytes {
		t.Errorf("the copy is %v, %v, and should have %d bytes", info, err, c.Bytes)
	}
	before, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(t.Context(), path, to); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
		t.Errorf("a second backup: %v", err)
	}
	if after, err := os.ReadFile(to); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the first backup has changed, %v", err)
	}
	only(t, folder, "copy.db")
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

// damage overwrites the end of a file that nobody has open.
func damage(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(text[8192:], bytes.Repeat([]byte{0xa5}, len(text)-8192))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func testBackupDamaged(t *testing.T) {
	t.Parallel()
	_, path := school(t)
	copied := filepath.Join(t.TempDir(), "damaged.db")
	if _, err := backup.Make(t.Context(), path, copied); err != nil {
		t.Fatal(err)
	}
	damage(t, copied)
	folder := t.TempDir()
	if _, err := backup.Make(t.Context(), copied, filepath.Join(folder, "copy.db")); err == nil {
		t.Error("a damaged ledger was backed up")
	}
	only(t, folder)
}

func testBackupNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	missing, empty := filepath.Join(folder, "missing.db"), filepath.Join(folder, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(t.Context(), missing, filepath.Join(folder, "a.db")); schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		t.Errorf("a missing ledger: %v", err)
	}
	if _, err := backup.Make(t.Context(), empty, filepath.Join(folder, "b.db")); err == nil || !strings.Contains(err.Error(), "is not a ledger") {
		t.Errorf("an empty file: %v", err)
	}
	only(t, folder, "empty.db")
}

func testRestoreFound(t *testing.T) {
	t.Parallel()
	l, path := school(t)
	folder := t.TempDir()
	source, target := filepath.Join(folder, "copy.db"), filepath.Join(folder, "data", "ledger.db")
	if _, err := backup.Make(t.Context(), path, source); err != nil {
		t.Fatal(err)
	}
	if _, _, err := backup.Restore(t.Context(), source, path, time.Now()); schoolbell.CodeOf(err) != schoolbell.CodeConflict {
		t.Errorf("restored over a ledger that is in use: %v", err)
	}
	if r, err := l.Restores.HoldRestored(t.Context(), false, 0); err != nil || r.Found {
		t.Errorf("the original: %+v, %v", r, err)
	}
	for i := range 2 {
		c, replaced, err := backup.Restore(t.Context(), source, target, time.Now().Add(time.Duration(i)*time.Second))
		if err != nil || c.Events != 1 || (replaced != "") != (i > 0) {
			t.Fatalf("restored %+v, replaced %q, %v", c, replaced, err)
		}
	}
	first, second := store.OnSQLite(open(t, target)), store.OnSQLite(open(t, target))
	r, err := first.Restores.HoldRestored(t.Context(), false, 0)
	if err != nil || !r.Found || r.Held != 1 || time.Since(r.CopiedAt) > time.Minute {
		t.Errorf("the restored ledger: %+v, %v", r, err)
	}
	if r, err := second.Restores.HoldRestored(t.Context(), false, 0); err != nil || r.Found {
		t.Errorf("the restored ledger, opened again: %+v, %v", r, err)
	}
}

func testRestoreOverDamage(t *testing.T) {
	t.Parallel()
	_, path := school(t)
	folder := t.TempDir()
	source, target := filepath.Join(folder, "copy.db"), filepath.Join(folder, "ledger.db")
	if _, err := backup.Make(t.Context(), path, source); err != nil {
		t.Fatal(err)
	}
	for i, content := range []string{"", "this is no database, and longer than the header of one: " + strings.Repeat("x", 8192)} {
		if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target+"-wal", []byte("left over"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, replaced, err := backup.Restore(t.Context(), source, target, time.Now().Add(time.Duration(i)*time.Second))
		if err != nil || replaced == "" {
			t.Fatalf("replaced %q, %v", replaced, err)
		}
		if err := open(t, target).Ping(t.Context()); err != nil {
			t.Errorf("the restored ledger: %v", err)
		}
		if err := os.Remove(target); err != nil {
			t.Fatal(err)
		}
	}
}

func testRestoreRefused(t *testing.T) {
	t.Parallel()
	_, path := school(t)
	folder := t.TempDir()
	good, bad := filepath.Join(folder, "good.db"), filepath.Join(folder, "bad.db")
	for _, to := range []string{good, bad} {
		if _, err := backup.Make(t.Context(), path, to); err != nil {
			t.Fatal(err)
		}
	}
	damage(t, bad)
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(folder, "newer.db")
	if _, err := backup.Make(t.Context(), path, newer); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, newer).Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1); UPDATE installation SET oldest_program = 999"); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	target := filepath.Join(data, "ledger.db")
	if _, _, err := backup.Restore(t.Context(), good, target, time.Now()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{bad, newer, text, filepath.Join(folder, "missing.db"), folder} {
		if _, _, err := backup.Restore(t.Context(), from, target, time.Now()); err == nil {
			t.Errorf("%s was restored", from)
		}
	}
	after, err := os.ReadFile(target)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the ledger has changed, %v", err)
	}
	only(t, data, "ledger.db")
}
