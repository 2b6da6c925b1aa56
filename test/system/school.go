package system

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

const (
	// Key is the API key of every school here.
	Key = "a-key-for-system-tests-only"

	peopleDomain = "people.hill.example"
)

// Parts says what a school stands on.
type Parts struct {
	Database string   // PostgreSQL URL; empty for SQLite in the school's own folder
	Redis    string   // "host:port"; empty for the one inside serve
	SMTP     string   // "host:port"; empty if Settings choose the provider of email
	Settings []string // NAME=value, further ones

	// Authority makes the certificate for TLS; nil for plain HTTP.
	Authority *testenv.Authority
}

// School is one installation of the program. Its methods are for the goroutine
// of the test.
type School struct {
	t      testing.TB
	dir    string
	env    []string
	http   *http.Client
	limit  func(bin string, args []string) (string, []string) // nil for none
	Ledger *Ledger
	URL    string         // of the API
	Redis  string         // "host:port"; empty for the one inside serve
	Client *client.Client // of the API, with all rights

	// Cert and Key are the PEM files of TLS_CERT and TLS_KEY.
	Cert, Key string
}

// New prepares a school; nothing runs yet.
func New(t testing.TB, p Parts) *School {
	t.Helper()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(testenv.FreePort(t)))
	s := &School{t: t, dir: t.TempDir(), URL: "http://" + addr, Redis: p.Redis}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	s.http = &http.Client{Transport: transport}
	if p.Authority != nil {
		s.URL = "https://" + addr
		s.Cert, s.Key = p.Authority.Issue("127.0.0.1")
		s.env = append(s.env, "TLS_CERT="+s.Cert, "TLS_KEY="+s.Key)
		transport.TLSClientConfig = &tls.Config{RootCAs: p.Authority.Pool()}
	}
	if p.SMTP != "" {
		s.env = append(s.env, smtpSettings(t, p.SMTP)...)
	}
	s.env = append(s.env, "HTTP_ADDR="+addr, "SCHOOLBELL_API_KEY="+Key, "SCHOOLBELL_URL="+s.URL,
		"SHUTDOWN_GRACE="+grace.String(), "DATA_DIR="+filepath.Join(s.dir, "data"))
	if p.Redis != "" {
		s.env = append(s.env, "REDIS_URL=redis://"+p.Redis)
	}
	s.Ledger = &Ledger{t: t, driver: "sqlite", dsn: "file:" + filepath.Join(s.dir, "data", "schoolbell.db") + "?mode=ro&_pragma=busy_timeout(20000)"}
	if p.Database != "" {
		s.env = append(s.env, "DATABASE_URL="+p.Database)
		s.Ledger = &Ledger{t: t, driver: "pgx", dsn: p.Database}
	}
	s.env = append(s.env, "API_RATE_PER_KEY=0", "API_RATE_PER_ADDRESS=0") // tests ask as often as they like
	s.env = append(s.env, p.Settings...)
	s.Client = s.As(Key)
	return s
}

// As returns a client with another API key or a user token.
func (s *School) As(key string) *client.Client {
	s.t.Helper()
	c, err := client.New(client.Config{URL: s.URL, Key: key, HTTPClient: s.http})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// Serve starts serve and returns once the API answers. Its dependencies may be unavailable.
func (s *School) Serve() *Process {
	s.t.Helper()
	p := s.Launch("serve", "serve")
	p.Await(" serves " + s.URL)
	return p
}

// Launch starts the program and waits for nothing.
func (s *School) Launch(name string, args ...string) *Process {
	s.t.Helper()
	return s.LaunchWith(nil, name, args...)
}

// LaunchWith is Launch with further settings, which win over the school's.
func (s *School) LaunchWith(settings []string, name string, args ...string) *Process {
	s.t.Helper()
	env := append(s.env[:len(s.env):len(s.env)], "WORKER_NAME="+name)
	return start(s.t, name, s.dir, append(env, settings...), s.limit, args...)
}

// Limit has processes that are launched from now on started by another command, which
// wrap makes of the program and its arguments.
func (s *School) Limit(wrap func(bin string, args []string) (string, []string)) { s.limit = wrap }

// Worker starts a worker of this name and returns once it waits for jobs.
func (s *School) Worker(name string) *Process {
	s.t.Helper()
	p := s.Launch(name, "worker")
	p.Await("Worker " + name + " is running and waits for jobs")
	return p
}

// Readiness is what /readyz answers.
type Readiness struct {
	Code         int    // of HTTP
	Status       string `json:"status"`
	Accepting    bool   `json:"accepting_events"`
	Dependencies []struct {
		Name   string `json:"name"`
		Status string `json:"status"`
	} `json:"dependencies"`
}

// Dependency is the status of one dependency, empty if it is not named.
func (r Readiness) Dependency(name string) string {
	for _, d := range r.Dependencies {
		if d.Name == name {
			return d.Status
		}
	}
	return ""
}

// Readiness asks /readyz.
func (s *School) Readiness() (Readiness, error) {
	resp, err := s.http.Get(s.URL + "/readyz")
	if err != nil {
		return Readiness{}, err
	}
	defer resp.Body.Close()
	r := Readiness{Code: resp.StatusCode}
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

// AwaitReady waits until the API and all it depends on are there.
func (s *School) AwaitReady() {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error {
		r, err := s.Readiness()
		if err == nil && r.Code != http.StatusOK {
			err = fmt.Errorf("it says %+v", r)
		}
		return err
	}, "the API is ready")
}

// Person is the id of the nth person, from 0.
func Person(n int) string { return fmt.Sprintf("u%06d", n) }

// Address is the email address of the nth person.
func Address(n int) string { return Person(n) + "@" + peopleDomain }

// Import brings n people in over the API: 5 % teachers, 15 % parents, the rest students.
func (s *School) Import(n int) {
	s.t.Helper()
	if err := s.tryImport(n); err != nil {
		s.t.Fatalf("import %d people: %v", n, err)
	}
}

func (s *School) tryImport(n int) error {
	r, w := io.Pipe()
	go func() {
		enc := json.NewEncoder(w)
		var err error
		for i := 0; i < n && err == nil; i++ {
			role := schoolbell.RoleStudent
			switch part := i % 20; {
			case part == 0:
				role = schoolbell.RoleTeacher
			case part <= 3:
				role = schoolbell.RoleParent
			}
			err = enc.Encode(map[string]any{"id": Person(i), "name": fmt.Sprintf("Person %d", i), "email": Address(i), "roles": []schoolbell.Role{role}})
		}
		_ = w.CloseWithError(err) // nil closes it as at the end of a file; it returns nil
	}()
	report, err := s.Client.ImportUsers(s.t.Context(), r, client.NDJSON)
	if err == nil && (report.Imported+report.Updated != n || report.Rejected != 0) {
		err = fmt.Errorf("the report is %+v", report)
	}
	if err != nil {
		err = errors.Join(err, r.Close())
	}
	return err
}

// Created is the answer to a new event.
type Created struct {
	ID     string
	Status string
	Took   time.Duration // of the request
}

// Create posts an event for everybody, in-app and by email, as curl would.
func (s *School) Create() Created {
	s.t.Helper()
	const body = `{"title":"Sports day moved to Friday","body":"Please bring water and a hat.","audience":{"roles":["student","teacher","parent","staff"]}}`
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/v1/events", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+Key)
	began := time.Now()
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatalf("create an event: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	c := Created{Took: time.Since(began)}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || resp.StatusCode != http.StatusCreated || c.ID == "" || resp.Header.Get("Location") != "/v1/events/"+c.ID {
		s.t.Fatalf("create an event: %s, Location %q, %s (%v)", resp.Status, resp.Header.Get("Location"), text, err)
	}
	return c
}

// CreateSurely creates an event for everybody through whatever faults there are:
// it asks again under the same idempotency key until it gets an answer.
func (s *School) CreateSurely(key string) (id string) {
	s.t.Helper()
	return s.CreateSurelyWith(wire.NewEvent{Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}}, key)
}

// CreateSurelyWith is CreateSurely for an event of which the texts are given.
func (s *School) CreateSurelyWith(ev wire.NewEvent, key string) (id string) {
	s.t.Helper()
	ev.Title, ev.Body = "Event "+key, "It takes place."
	testenv.Eventually(s.t, patience, func() error {
		created, _, err := s.Client.CreateEventOnce(s.t.Context(), ev, key)
		if err == nil {
			id = created.ID
		}
		return err
	}, "event %s is accepted", key)
	return id
}

// CreateManySurely creates an event for each of the people in one request, through whatever faults there are. It
// returns their ids in order.
func (s *School) CreateManySurely(people []string, key string) (ids []string) {
	s.t.Helper()
	return s.ScheduleManySurely(people, time.Time{}, key)
}

// ScheduleManySurely is CreateManySurely for events that start at a time.
func (s *School) ScheduleManySurely(people []string, at time.Time, key string) (ids []string) {
	s.t.Helper()
	events := make([]wire.BulkEvent, len(people))
	for i, id := range people {
		events[i] = wire.BulkEvent{IdempotencyKey: fmt.Sprintf("%s-%d", key, i), NewEvent: wire.NewEvent{Title: "Event " + key, Body: "It takes place.", SendAt: wire.At(at),
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{id}}}}}
	}
	testenv.Eventually(s.t, patience, func() error {
		results, err := s.Client.CreateEvents(s.t.Context(), events)
		ids = ids[:0]
		for _, r := range results {
			if r.Event == nil {
				return fmt.Errorf("event %d: %+v", r.Index, r.Problem)
			}
			ids = append(ids, r.Event.ID)
		}
		return err
	}, "events %s are accepted", key)
	return ids
}

// ImportSurely imports n people again and again until that succeeds.
func (s *School) ImportSurely(n int) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error { return s.tryImport(n) }, "%d people are imported", n)
}

// AwaitStatus waits until the event has this status and returns it with its progress.
func (s *School) AwaitStatus(id string, want schoolbell.EventStatus) *wire.Event {
	s.t.Helper()
	var ev *wire.Event
	testenv.Eventually(s.t, patience, func() (err error) {
		if ev, err = s.Client.Event(s.t.Context(), id); err == nil && ev.Status != want {
			err = fmt.Errorf("it is %s with %+v", ev.Status, ev.Progress)
		}
		return err
	}, "the event becomes %s", want)
	return ev
}

// Result is how a command ended.
type Result struct {
	Out, Err string
	Code     int
}

// Run runs a command of the program to its end, with the school's settings and
// after them the given ones.
func (s *School) Run(settings []string, args ...string) Result {
	s.t.Helper()
	return Command(s.t, s.dir, append(s.env[:len(s.env):len(s.env)], settings...), args...)
}

// Command runs a command of the program with nothing but these settings.
func Command(t testing.TB, dir string, settings []string, args ...string) Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Binary(t), args...)
	var out, log bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append([]string{"TMPDIR=" + t.TempDir()}, settings...), &out, &log
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("schoolbell %s: %v", strings.Join(args, " "), err)
	}
	return Result{Out: out.String(), Err: log.String(), Code: cmd.ProcessState.ExitCode()}
}

// Does runs a command that must succeed and returns what it printed.
func (s *School) Does(args ...string) string {
	s.t.Helper()
	r := s.Run(nil, args...)
	if r.Code != 0 {
		s.t.Fatalf("schoolbell %s ended with code %d:\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return r.Out
}
