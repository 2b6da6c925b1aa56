package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell/bullmq"
	"schoolbell/client"
	"schoolbell/internal/testenv"
)

const (
	panelPeople     = 200_000
	panelEvents     = 3 // in the app only, besides one that is also emailed: five deliveries for each person
	panelJobs       = 100_000
	panelQueue      = "homework" // of a Node program
	panelVisits     = 20
	panelDashboards = 200
	panelWatch      = 30 * time.Second

	panelPassword = "seven green bicycles"
)

// measurePanel measures how fast pages are with much to show, and what open dashboards cost.
func measurePanel(b *testing.B, srv *servers, out *report) {
	s := startSchoolbell(b, srv, setup{people: panelPeople, workers: 2, sink: testenv.SMTPSink(b)})
	defer s.stop()
	fillPanel(b, srv, s, panelEvents, panelJobs)
	execute(b, s.dsn, "VACUUM ANALYZE")
	p := newPanelVisitor(b, s)
	what := fmt.Sprintf("panel, %s deliveries, %s people: ", count(panelPeople*(panelEvents+2)), count(panelPeople))
	for _, page := range p.pages(b) {
		took := p.visit(b, page.path, panelVisits)
		out.add(line{measure: what + page.name + ", median ms", digits: 1, ours: milliseconds(quantile(took, 0.5)), goals: []goal{atMost(100)}})
	}
	fmt.Fprintf(os.Stderr, "%d dashboards\n", panelDashboards)
	used := p.watch(b, srv, panelDashboards, panelWatch)
	dashboards := count(panelDashboards) + " open dashboards: "
	out.add(line{measure: dashboards + "ledger transactions/s of all processes", digits: 2, ours: used.rate(float64(used.commits))})
	out.add(line{measure: dashboards + "of this: above the same time without", digits: 2, ours: used.rate(float64(used.commits)) - used.without, goals: []goal{atMost(1)}})
	out.add(line{measure: dashboards + "memory of serve with a sign-in, MB", ours: used.memory, goals: []goal{atMost(60)}})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fillPanel sends events to everybody and adds jobs to a queue of another program.
func fillPanel(b testing.TB, srv *servers, s *system, events, jobs int) {
	b.Helper()
	for n := range events {
		s.reach(b, srv, audience{inAppOnly: true})
		fmt.Fprintf(os.Stderr, "event %d of %d\n", n+1, events+1)
	}
	s.reach(b, srv, audience{})
	q, err := bullmq.NewQueue(srv.redis, panelQueue, bullmq.QueueOptions{Prefix: srv.prefix})
	if err != nil {
		b.Fatal(err)
	}
	for added := 0; added < jobs; {
		specs := make([]bullmq.JobSpec, min(1_000, jobs-added))
		for i := range specs {
			specs[i] = bullmq.JobSpec{Name: "mark", Data: map[string]int{"pupil": added + i}}
		}
		if _, err := q.AddBulk(b.Context(), specs); err != nil {
			b.Fatal(err)
		}
		added += len(specs)
	}
}

// panelVisitor is an admin with a browser.
type panelVisitor struct {
	s      *system
	root   string
	client *http.Client
}

const panelAdmin = "office@hill.example"

// newPanelVisitor makes an account and signs in.
func newPanelVisitor(b testing.TB, s *system) *panelVisitor {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), testenv.Binary(b), "staff", "add", panelAdmin, "--name", "Mara Tennick", "--role", "admin", "--json")
	cmd.Env = append(os.Environ(), "DATABASE_URL="+s.dsn)
	cmd.Dir = b.TempDir()
	answer, err := cmd.Output()
	var added struct{ Link string }
	if err == nil {
		err = json.Unmarshal(answer, &added)
	}
	if err != nil {
		b.Fatalf("add an account: %v\n%s", err, answer)
	}
	link, err := url.Parse(added.Link)
	if err != nil {
		b.Fatal(err)
	}
	server := strings.TrimSuffix(s.url, "/v1/events")
	p := &panelVisitor{s: s, root: server + "/panel/"}
	p.client = p.browser(b)
	p.post(b, p.client, server+link.Path, url.Values{"password": {panelPassword}, "again": {panelPassword}})
	return p
}

func (p *panelVisitor) browser(b testing.TB) *http.Client {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{}}
}

// post sends a form, whose answer must lead to a page.
func (p *panelVisitor) post(b testing.TB, c *http.Client, to string, form url.Values) {
	b.Helper()
	resp, err := c.PostForm(to, form)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte("<h1>Overview</h1>")) {
		b.Fatalf("POST %s: %s\n%s", to, resp.Status, text)
	}
}

// panelPage is a page that is measured.
type panelPage struct{ name, path string }

// pages are those that show much.
func (p *panelVisitor) pages(b testing.TB) []panelPage {
	b.Helper()
	c, err := client.New(client.Config{URL: strings.TrimSuffix(p.s.url, "/v1/events"), Key: p.s.key, HTTPClient: httpClient})
	if err != nil {
		b.Fatal(err)
	}
	list, err := c.Events(b.Context(), "", client.Page{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	event := "events/" + list.Events[0].ID
	return []panelPage{
		{"overview", ""}, {"events", "events"}, {"events with a text", "events?q=sports"}, {"events with a text that none has", "events?q=nothing+like+this"},
		{"event", event}, {"event: failed", event + "?status=failed"}, {"event: email", event + "?channel=email"},
		{"people", "people"}, {"people with a name", "people?q=Person+77"}, {"people with a name that none has", "people?q=nobody+like+this"},
		{"people with an address", "people?q=user1777"}, {"person", "people/" + userID(77)},
		{"new event", "compose"}, {"queues", "queues"}, {"queue", "queues/" + panelQueue}, {"queue: completed", "queues/event-notifications-email?state=completed"},
		{"job", "queues/" + panelQueue + "/jobs/77"}, {"audit log", "audit"}, {"staff", "staff"}, {"templates", "templates"}, {"settings", "settings"},
	}
}

// visit loads a page several times.
func (p *panelVisitor) visit(b testing.TB, page string, times int) (took []time.Duration) {
	b.Helper()
	for range times {
		start := time.Now()
		resp, err := p.client.Get(p.root + page)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		took = append(took, time.Since(start))
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("GET %s: %s, %v\n%s", page, resp.Status, err, text)
		}
	}
	return took
}

// watched is what open dashboards used.
type watched struct {
	idle
	without float64 // ledger transactions a second before they were open
	memory  float64 // MB of serve at the most
}

// watch opens dashboards, each of a session of its own, and counts for a while. Somebody signs in meanwhile.
func (p *panelVisitor) watch(b testing.TB, srv *servers, dashboards int, during time.Duration) watched {
	b.Helper()
	before := p.s.idle(b, srv, during/2, during)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var streams sync.WaitGroup
	defer streams.Wait()
	defer cancel()
	for range dashboards {
		c := p.browser(b)
		p.post(b, c, p.root+"sign-in", url.Values{"email": {panelAdmin}, "password": {panelPassword}})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.root+"live", nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("open a dashboard: %v, %v", resp, err)
		}
		streams.Go(func() {
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
		})
	}
	w := watched{idle: p.s.idle(b, srv, during/2, during), without: before.rate(float64(before.commits))}
	p.post(b, p.browser(b), p.root+"sign-in", url.Values{"email": {panelAdmin}, "password": {panelPassword}})
	w.memory = usageOf(b, p.s.server.PID()).resident
	return w
}

func TestPanelPages(t *testing.T) {
	t.Parallel()
	srv := startServers(t)
	s := startSchoolbell(t, srv, setup{people: 300, workers: 1, sink: testenv.SMTPSink(t)})
	defer s.stop()
	fillPanel(t, srv, s, 1, 100)
	p := newPanelVisitor(t, s)
	for _, page := range p.pages(t) {
		if took := p.visit(t, page.path, 1); took[0] <= 0 {
			t.Errorf("%s took %s", page.name, took[0])
		}
	}
	used := p.watch(t, srv, 3, 100*time.Millisecond)
	if used.memory <= 0 {
		t.Errorf("%+v", used)
	}
}
