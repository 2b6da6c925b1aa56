package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
)

const apiKey = "a-key-for-measurements-only"

// startSchoolbell runs the program of this working tree, see startBinary.
func startSchoolbell(b testing.TB, srv *servers, o setup) *system {
	b.Helper()
	return startBinary(b, testenv.Binary(b), srv, o)
}

// startBinary runs serve and the workers of a program.
func startBinary(b testing.TB, bin string, srv *servers, o setup) *system {
	b.Helper()
	srv.empty(b)
	addr := "127.0.0.1:" + strconv.Itoa(testenv.FreePort(b))
	dsn := srv.postgres.Database()
	env := append(srv.redisEnv(b), "DATABASE_URL="+through(b, o.far, dsn), "HTTP_ADDR="+addr, "SCHOOLBELL_API_KEY="+apiKey, "LOG_LEVEL=warn",
		"RATE_LIMIT_MAX=0", "API_RATE_PER_KEY=0", "API_RATE_PER_ADDRESS=0") // the benchmark asks as fast as it can
	env = append(env, o.env...)
	dir := b.TempDir()
	s := &system{
		server: testenv.StartProgram(b, testenv.ProgramOptions{Dir: dir, Env: env}, bin, "serve"),
		url:    "http://" + addr + "/v1/events", key: apiKey, dsn: dsn, sink: o.sink, people: o.people,
		event: schoolbellEvent,
	}
	s.server.Await(" serves http")
	c, err := client.New(client.Config{URL: "http://" + addr, Key: apiKey, HTTPClient: httpClient})
	if err != nil {
		b.Fatal(err)
	}
	s.inApp = func() int { return inAppSent(b, c) }
	importPeople(b, c, o.people)
	if o.prepare != nil {
		o.prepare(b, s, c)
	}
	for range o.workers {
		env := append(env, "SMTP_HOST="+o.sink.Host, "SMTP_PORT="+strconv.Itoa(o.sink.Port), "SMTP_TLS=none", "EMAIL_FROM=Hill School <office@hill.example>")
		w := testenv.StartProgram(b, testenv.ProgramOptions{Dir: dir, Env: env}, bin, "worker")
		w.Await("waits for jobs")
		s.workers = append(s.workers, w)
	}
	return s
}

// through is the URL of a database through a proxy.
func through(b testing.TB, proxy, dsn string) string {
	b.Helper()
	at, err := url.Parse(dsn)
	if err != nil {
		b.Fatal(err)
	}
	if proxy != "" {
		at.Host = proxy
	}
	return at.String()
}

func schoolbellEvent(to audience) any {
	selector := map[string]any{"roles": everybody}
	if len(to.users) > 0 {
		ids := make([]string, len(to.users))
		for i, n := range to.users {
			ids[i] = userID(n)
		}
		selector = map[string]any{"users": ids}
	}
	e := map[string]any{"title": title, "body": body, "audience": selector}
	if to.urgent {
		e["category"] = "urgent"
	}
	if to.inAppOnly {
		e["channels"] = []string{"in_app"}
	}
	return e
}

func userID(n int) string { return fmt.Sprintf("u%07d", n) }

// importPeople sends the school through the import call, made as it is sent.
func importPeople(b testing.TB, c *client.Client, people int) {
	b.Helper()
	r, w := io.Pipe()
	go func() {
		enc := json.NewEncoder(w)
		var err error
		for n := 0; n < people && err == nil; n++ {
			err = enc.Encode(map[string]any{"id": userID(n), "name": fmt.Sprintf("Person %d", n), "email": address(n), "roles": []string{role(n, people)}})
		}
		w.CloseWithError(err)
	}()
	report, err := c.ImportUsers(b.Context(), r, client.NDJSON)
	if err == nil && report.Imported != people {
		err = fmt.Errorf("%d of %d went in: %v", report.Imported, people, report.Errors)
	}
	if err != nil {
		b.Fatalf("import people: %v", errors.Join(err, r.Close()))
	}
}

// inAppSent is the number of inbox rows of the newest event, -1 while it is not completed.
func inAppSent(b testing.TB, c *client.Client) int {
	b.Helper()
	page, err := c.Events(b.Context(), "", client.Page{Limit: 1})
	if err != nil || len(page.Events) != 1 {
		b.Fatalf("find the event: %+v, %v", page, err)
	}
	ev, err := c.Event(b.Context(), page.Events[0].ID)
	if err != nil {
		b.Fatal(err)
	}
	if ev.Status != schoolbell.EventCompleted {
		return -1
	}
	return int(ev.Progress.Channels[schoolbell.ChannelInApp].Sent)
}

// demo is what schoolbell demo says of itself.
type demo struct {
	Users           int     `json:"users"`
	CreateMS        float64 `json:"create_ms"`
	InApp           int     `json:"in_app"`
	EmailsDistinct  int     `json:"emails_distinct"`
	Duplicates      int     `json:"duplicates"`
	Seconds         float64 `json:"seconds"`
	EmailsPerSecond float64 `json:"emails_per_second"`
	MaxRSSMB        float64 `json:"max_rss_mb"`
}

// runDemo runs everything of a program in one process on the embedded parts.
func runDemo(b testing.TB, bin string, people int) run {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), bin, "demo", "--users", strconv.Itoa(people), "--json")
	cmd.Dir = b.TempDir()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var d demo
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err != nil {
		b.Fatalf("schoolbell demo: %v\n%s%s", err, out, &stderr)
	}
	if d.Users != people || d.InApp != people || d.EmailsDistinct != people || d.Duplicates != 0 {
		b.Errorf("schoolbell demo did not reach everybody once: %s", out)
	}
	unit := func(v float64, u time.Duration) time.Duration { return time.Duration(v * float64(u)) }
	return run{
		post: unit(d.CreateMS, time.Millisecond), took: unit(d.Seconds, time.Second), peak: d.MaxRSSMB,
		cost: costs{workers: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, people: people,
	}
}

func TestSchoolbellDelivery(t *testing.T) {
	t.Parallel()
	testDelivery(t, startSchoolbell)
}
