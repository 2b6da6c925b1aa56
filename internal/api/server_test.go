package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/inbox"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/people"
	"schoolbell/internal/preview"
	"schoolbell/internal/publicdial"
	"schoolbell/internal/render"
	"schoolbell/internal/school"
	"schoolbell/internal/store"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/templates"
	"schoolbell/internal/webhook"
	"schoolbell/wire"
)

// server is the whole API on a real ledger, and no Redis anywhere.
type server struct {
	ahead  atomic.Int64 // of the clock that keys and tokens go by
	t      testing.TB
	url    string
	api    *api.Server
	ledger *store.Ledger
	keys   map[schoolbell.Scope]string
	log    *logBuffer
	auth   *auth.Service
	links  *auth.Links
	stop   func()

	dialed []net.Conn

	*client.Client // with an admin key
}

// logBuffer keeps the log for tests that read it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newServer(t testing.TB, change ...func(*api.Config)) *server {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	return newServerOn(t, store.OnSQLite(db), change...)
}

// newServerOn is the API on a ledger that the caller has opened and migrated.
func newServerOn(t testing.TB, l *store.Ledger, change ...func(*api.Config)) *server {
	t.Helper()
	ctx := t.Context()
	s := &server{t: t, ledger: l, keys: map[schoolbell.Scope]string{}, log: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))

	keys := auth.New(s.ledger.Auth, auth.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }})
	s.auth = keys
	for _, scope := range schoolbell.Scopes() {
		secret, _, err := keys.CreateKey(ctx, string(scope), scope, time.Time{})
		must(t, err)
		s.keys[scope] = secret
	}
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { must(t, rdb.Close()) })
	pipeline, err := notify.New(s.ledger.Stores, rdb, notify.Config{
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}}, log)
	must(t, err)
	box := inbox.New(s.ledger.Inboxes, inbox.Options{Poll: 5 * time.Millisecond, Logger: log})

	cfg := api.Config{Store: s.ledger.Reports, Exports: s.ledger.Exports, PersonDeliveries: s.ledger.PersonDeliveries, Suppressions: s.ledger.Suppressions, Ping: l.Ping, Pipeline: pipeline, People: people.New(s.ledger.People, s.ledger.School, log), Schedules: people.NewSchedules(s.ledger.Schedules), Calendars: inbox.NewCalendars(s.ledger.Calendars, nil, nil), PublicURL: "https://bell.school.example/",
		School: school.New(s.ledger.School), Inbox: box, Auth: keys,
		Settings: school.NewSettings(s.ledger.Settings, schoolbell.DefaultSchoolSettings(), log),
		Push:     api.Push{PublicKey: "public key", Serves: func(origin string) bool { return origin == "https://push.example" }},
		Queues:   pipeline.Queues(), Logger: log, Version: "test", ProgressEvery: 5 * time.Millisecond}
	s.links, err = auth.OpenLinks(ctx, s.ledger.Auth, func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) })
	must(t, err)
	cfg.Webhooks = webhook.New(webhook.Config{Store: s.ledger.Webhooks, Progress: s.ledger.Reports.Progress, Logger: log,
		Guard: publicdial.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})})
	renderer, err := render.New(render.Config{School: cfg.Settings.Current, Template: school.NewTemplates(s.ledger.Templates, log).At})
	must(t, err)
	cfg.Templates = templates.New(templates.Config{Store: school.NewTemplates(s.ledger.Templates, log), Renderer: renderer, School: cfg.School,
		Events: s.ledger.Reports, Records: s.ledger.Exports, People: s.ledger.People, Texts: s.ledger.Previews})
	cfg.Previews = preview.New(preview.Config{Pipeline: pipeline, Stored: s.ledger.Previews, Renderer: renderer, People: s.ledger.People, School: cfg.Settings.Current})
	cfg.Channels = schoolbell.Channels()
	cfg.Links, cfg.Messages = s.links, inbox.NewMessages(s.ledger.Inboxes, s.ledger.Receipts, nil, nil)
	for _, c := range change {
		c(&cfg)
	}
	srv, err := api.New(cfg)
	must(t, err)
	s.api = srv
	s.serve(srv, box)
	s.Client = s.as(s.keys[schoolbell.ScopeAdmin])
	return s
}

// later moves the clock that keys and tokens go by.
func (s *server) later(by time.Duration) { s.ahead.Add(int64(by)) }

// serve runs the server and the inbox until stop, or the end of the test.
func (s *server) serve(srv *api.Server, box *inbox.Service) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	s.url = "http://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var served, ran error
	running.Go(func() { served = srv.Serve(ctx, ln) })
	running.Go(func() { ran = box.Run(ctx) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		must(s.t, served)
		must(s.t, ran)
	})
	s.t.Cleanup(s.stop)
}

// as is a client with another key, or a token, and connections of its own.
func (s *server) as(key string) *client.Client {
	s.t.Helper()
	tr := &http.Transport{}
	s.t.Cleanup(tr.CloseIdleConnections)
	c, err := client.New(client.Config{URL: s.url, Key: key, HTTPClient: &http.Client{Transport: tr}})
	must(s.t, err)
	return c
}

func (s *server) token(user string) string {
	s.t.Helper()
	tok, err := s.CreateToken(s.t.Context(), user, 0)
	must(s.t, err)
	return tok.Token
}

// user puts a user whose address and role follow from the id.
func (s *server) user(id string, roles ...schoolbell.Role) {
	s.t.Helper()
	if len(roles) == 0 {
		roles = []schoolbell.Role{schoolbell.RoleParent}
	}
	_, _, err := s.PutUser(s.t.Context(), schoolbell.User{ID: id, Name: "User " + id, Email: id + "@example.org", Roles: roles})
	must(s.t, err)
}

// notice creates an in-app event for the users and puts it into their inboxes.
func (s *server) notice(title string, users ...string) *wire.Event {
	s.t.Helper()
	ev, err := s.CreateEvent(s.t.Context(), wire.NewEvent{Title: title, Body: "Body of " + title,
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: users}}, Channels: []schoolbell.Channel{schoolbell.ChannelInApp}})
	must(s.t, err)
	s.fanOut(ev.ID)
	return ev
}

func (s *server) fanOut(id string) {
	s.t.Helper()
	for {
		step, err := s.ledger.FanOuts.FanOut(s.t.Context(), ledger.WaveRef{EventID: id}, 1000, 100)
		must(s.t, err)
		if step.Done {
			return
		}
	}
}

func (s *server) finish(id string) {
	s.t.Helper()
	_, err := s.ledger.Waves.FinishWave(s.t.Context(), ledger.WaveRef{EventID: id})
	must(s.t, err)
}

// answer is a raw answer, for what the client would not send.
type answer struct {
	*http.Response
	body string
}

// raw sends a request as it is. Headers come in pairs; a key is sent unless one of them is Authorization.
func (s *server) raw(method, path, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	must(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	must(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return answer{resp, string(text)}
}

// problem decodes the answer's problem and checks what all problems have.
func (a answer) problem(t *testing.T) client.Problem {
	t.Helper()
	var p client.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("answer %d is no problem: %q: %v", a.StatusCode, a.body, err)
	}
	if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type of a problem is %q", kind)
	}
	if p.Status != a.StatusCode || p.Title == "" || p.Code == "" {
		t.Errorf("problem is incomplete: %q", a.body)
	}
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// key is the key of a scope as the ledger keeps it.
func (s *server) key(scope schoolbell.Scope) schoolbell.APIKey {
	s.t.Helper()
	k, err := auth.New(s.ledger.Auth, auth.Options{}).Key(s.t.Context(), s.keys[scope])
	must(s.t, err)
	return k
}
