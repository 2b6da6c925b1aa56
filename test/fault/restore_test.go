package fault

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// TestRestore backs a ledger up while an event is being delivered, lets the event end, and restores the backup: the ledger
// does not know any more what was sent.
func TestRestore(t *testing.T) {
	t.Parallel()
	t.Run("SQLite, with the Redis that was in use", func(t *testing.T) {
		t.Parallel()
		testRestore(t, sqliteBackup{}, false)
	})
	t.Run("SQLite, with an empty Redis", func(t *testing.T) {
		t.Parallel()
		testRestore(t, sqliteBackup{}, true)
	})
	t.Run("PostgreSQL, with an empty Redis", func(t *testing.T) {
		t.Parallel()
		testRestore(t, newPostgresBackup(t), true)
	})
	t.Run("PostgreSQL, restored under running programs", testRestoreUnder)
}

// backups make and restore the backups of a school's ledger.
type backups interface {
	database() string
	backUp(t *testing.T, s *system.School, file string)
	restore(t *testing.T, s *system.School, file string)
}

const (
	restoredPeople = 1_000
	restoredSent   = 300 // emails before the backup
)

// restoring is a school of which a backup was made while the emails of an event were under way.
type restoring struct {
	*system.School
	mail      *system.Mail
	redis     string
	backup    string
	event     string   // that was under way
	known     []string // who had an email of the event according to the backup
	scheduled string   // event of tomorrow
	later     string   // event that was created after the backup
	programs  []*system.Process
}

func newRestoring(t *testing.T, b backups) *restoring {
	t.Helper()
	r := &restoring{mail: system.NewMail(t), redis: testenv.Redis(t), backup: filepath.Join(t.TempDir(), "backup")}
	r.School = system.New(t, system.Parts{Database: b.database(), Redis: r.redis, SMTP: r.mail.Addr()})
	r.programs = []*system.Process{r.Serve(), r.Worker("first")}
	r.Import(restoredPeople)
	r.scheduled = r.CreateSurelyWith(wire.NewEvent{SendAt: wire.At(time.Now().Add(24 * time.Hour)),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{system.Person(0)}}}}, "tomorrow")
	r.mail.HoldAfter(restoredSent)
	r.event = r.Create().ID
	r.AwaitStuck(r.mail, "first")
	b.backUp(t, r.School, r.backup)
	r.known = r.Ledger.Sent(r.event)
	r.mail.Release()
	r.ReachedOnce(r.mail, r.event, restoredPeople)
	r.later = r.CreateManySurely([]string{system.Person(1)}, "later")[0]
	r.AwaitStatus(r.later, schoolbell.EventCompleted)
	if len(r.known) == 0 || len(r.known) > restoredSent {
		t.Fatalf("the backup knows of %d emails, and %d were sent", len(r.known), restoredSent)
	}
	return r
}

func (r *restoring) stop() {
	for _, p := range r.programs {
		p.Stop()
	}
}

// held starts the programs on the restored ledger and expects that nothing is sent that was sent before.
func (r *restoring) held(t *testing.T) {
	t.Helper()
	r.programs = []*system.Process{r.Serve(), r.Worker("second")}
	r.AwaitReady()
	page, err := r.Client.Events(t.Context(), schoolbell.EventHeld, client.Page{})
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != r.event {
		t.Fatalf("held events: %+v, %v", page, err)
	}
	r.AwaitStatus(r.scheduled, schoolbell.EventScheduled)
	if _, err := r.Client.Event(t.Context(), r.later); err == nil {
		t.Error("the ledger knows an event that was created after the backup")
	}
	// The reconciler looks at all events and batches when it starts. New events are sent as always.
	testenv.Eventually(t, promise, func() error {
		id := r.CreateSurely(fmt.Sprint("new-", time.Now().UnixNano()))
		r.ReachedOnce(r.mail, id, restoredPeople)
		return nil
	}, "a new event reaches everybody")
	ev := r.AwaitStatus(r.event, schoolbell.EventHeld)
	if n := len(r.mail.Letters(r.event)); n != restoredPeople {
		t.Errorf("%d emails of the held event, want %d; it is at %+v", n, restoredPeople, ev.Progress)
	}
}

// released releases the event and expects that it goes on.
func (r *restoring) released(t *testing.T) {
	t.Helper()
	out := r.Does("event", "release", r.event)
	if !strings.Contains(out, "is released and processing") {
		t.Errorf("the release printed %q", out)
	}
	r.repeated(t)
	audit, err := r.Client.Audit(t.Context(), schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "event", ID: r.event}}, client.Page{})
	if err != nil || len(audit.Items) != 2 || audit.Items[0].Action != "event.release" {
		t.Errorf("the audit has %+v, %v", audit, err)
	}
}

// allReleased does the same with all held events, once their number is confirmed.
func (r *restoring) allReleased(t *testing.T) {
	t.Helper()
	refused := r.Run(nil, "event", "release", "--all", "--confirm", "2")
	if refused.Code != 2 || !strings.Contains(refused.Err, "1 event is held") || !strings.Contains(refused.Err, "--confirm 1") {
		t.Errorf("a release of all without their number: code %d, %s", refused.Code, refused.Err)
	}
	r.AwaitStatus(r.event, schoolbell.EventHeld)
	if out := r.Does("event", "release", "--all", "--confirm", "1"); out != "1 event is released.\n" {
		t.Errorf("the release printed %q", out)
	}
	r.repeated(t)
	audit, err := r.Client.Audit(t.Context(), schoolbell.AuditFilter{Action: "event.release"}, client.Page{})
	if err != nil || len(audit.Items) != 1 || audit.Items[0].Changes["events"] != 1.0 {
		t.Errorf("the audit has %+v, %v", audit, err)
	}
	if out := r.Does("event", "release", "--all"); out != "0 events are released.\n" {
		t.Errorf("a second release printed %q", out)
	}
}

// repeated waits for the end of the released event. It expects that those got a second email of whom the backup knew
// no email, and that the ledger says so.
func (r *restoring) repeated(t *testing.T) {
	t.Helper()
	r.AwaitStatus(r.event, schoolbell.EventCompleted)
	emails := map[string]int{}
	for _, l := range r.mail.Letters(r.event) {
		emails[l.User]++
	}
	known := map[string]bool{}
	for _, id := range r.known {
		known[id] = true
	}
	for i := range restoredPeople {
		id, want := system.Person(i), 2
		if known[id] {
			want = 1
		}
		if emails[id] != want {
			t.Fatalf("%s got %d emails, want %d (the backup knows: %v)", id, emails[id], want, known[id])
		}
	}
	ev := r.AwaitStatus(r.event, schoolbell.EventCompleted)
	if p := ev.Progress.Channels[schoolbell.ChannelEmail]; p.Sent != len(known) || p.Uncertain != restoredPeople-len(known) {
		t.Errorf("progress %+v, and the backup knew of %d emails", p, len(known))
	}
	page, err := r.Client.Deliveries(t.Context(), r.event, schoolbell.DeliveryFilter{Status: schoolbell.DeliveryUncertain}, client.Page{Limit: 1})
	if err != nil || len(page.Deliveries) != 1 || page.Deliveries[0].Reason != "sent after the ledger was restored from a backup; it may have been sent before" {
		t.Errorf("uncertain deliveries: %+v, %v", page, err)
	}
	audit, err := r.Client.Audit(t.Context(), schoolbell.AuditFilter{Action: "ledger.restore"}, client.Page{})
	if err != nil || len(audit.Items) != 1 || audit.Items[0].Changes["held"] != 1.0 {
		t.Errorf("the audit has %+v, %v", audit, err)
	}
}

func testRestore(t *testing.T, b backups, empty bool) {
	r := newRestoring(t, b)
	r.stop()
	b.restore(t, r.School, r.backup)
	if empty {
		emptyRedis(t, r.redis)
	}
	r.held(t)
	// It is held also after a restart: the decision is a person's.
	r.stop()
	r.held(t)
	r.released(t)
	r.stop()
}

// Workers wait for a database that is away. When it comes back as another one, they must not go on.
func testRestoreUnder(t *testing.T) {
	t.Parallel()
	b := newPostgresBackup(t)
	r := newRestoring(t, b)
	b.restore(t, r.School, r.backup)
	emptyRedis(t, r.redis)
	for _, p := range r.programs {
		p.Await("the ledger's database was replaced while the program was running")
	}
	if got, err := r.Readiness(); err == nil && got.Dependency("ledger") == "ok" {
		testenv.Eventually(t, promise, func() error {
			got, err := r.Readiness()
			if err == nil && got.Dependency("ledger") == "ok" {
				err = fmt.Errorf("it says %+v", got)
			}
			return err
		}, "the server is not ready")
	}
	for _, p := range r.programs {
		p.Kill() // they have no ledger in which to end their work
	}
	r.held(t)
	r.allReleased(t)
	r.stop()
}

// sqliteBackup uses the program's own commands.
type sqliteBackup struct{}

func (sqliteBackup) database() string { return "" }

func (sqliteBackup) backUp(t *testing.T, s *system.School, file string) {
	t.Helper()
	out := s.Does("backup", file)
	if !strings.Contains(out, "It has 1,000 people, 2 events, 2 open, ") {
		t.Errorf("the backup printed %q", out)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}
	if r := s.Run(nil, "backup", file); r.Code != 1 || !strings.Contains(r.Err, "is not overwritten") {
		t.Errorf("a second backup to the same file: code %d, %s", r.Code, r.Err)
	}
	if r := s.Run(nil, "restore", file); r.Code != 1 || !strings.Contains(r.Err, "a program uses the ledger") {
		t.Errorf("a restore while the ledger is in use: code %d, %s", r.Code, r.Err)
	}
}

func (sqliteBackup) restore(t *testing.T, s *system.School, file string) {
	t.Helper()
	r := s.Run(nil, "restore", file)
	if r.Code != 0 || !strings.Contains(r.Out, "The ledger before it is kept as schoolbell.db.replaced-") || !strings.Contains(r.Err, "held=1") {
		t.Fatalf("restore: code %d\n%s%s", r.Code, r.Out, r.Err)
	}
}

// postgresBackup uses the commands of the documentation, word by word.
type postgresBackup struct{ url string }

func newPostgresBackup(t *testing.T) *postgresBackup {
	t.Helper()
	return &postgresBackup{url: testenv.Postgres(t)}
}

func (b *postgresBackup) database() string { return b.url }

func (b *postgresBackup) backUp(t *testing.T, s *system.School, file string) {
	t.Helper()
	r := s.Run(nil, "backup", file)
	if r.Code != 2 || !strings.Contains(r.Err, "pg_dump --format=custom --file="+file) {
		t.Errorf("schoolbell backup: code %d, %s", r.Code, r.Err)
	}
	b.documented(t, "pg_dump ", file)
}

func (b *postgresBackup) restore(t *testing.T, s *system.School, file string) {
	t.Helper()
	if r := s.Run(nil, "restore", file); r.Code != 2 || !strings.Contains(r.Err, "pg_restore ") {
		t.Errorf("schoolbell restore: code %d, %s", r.Code, r.Err)
	}
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, statement := range []string{"DROP DATABASE " + name + " WITH (FORCE)", "CREATE DATABASE " + name + " TEMPLATE template0"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	b.documented(t, "pg_restore ", file)
}

// documented runs the line of docs/operations.md that begins with a command, with another file.
func (b *postgresBackup) documented(t *testing.T, command, file string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var line string
	for l := range strings.Lines(string(page)) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, command) {
			line = l
		}
	}
	if !strings.Contains(line, "schoolbell.dump") {
		t.Fatalf("docs/operations.md has no line that begins with %q and names schoolbell.dump: %q", command, line)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(line, "schoolbell.dump", file))
	cmd.Env = append(os.Environ(), "DATABASE_URL="+b.url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
