package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
func startSchoolbell(b testing.TB, srv *servers, sink *testenv.Sink, people int) *system {
	b.Helper()
	return startBinary(b, testenv.Binary(b), srv, sink, people)
}

// startBinary runs serve of a program with a school of that many people, and a worker
// unless sink is nil.
func startBinary(b testing.TB, bin string, srv *servers, sink *testenv.Sink, people int) *system {
	b.Helper()
	srv.empty(b)
	addr := "127.0.0.1:" + strconv.Itoa(testenv.FreePort(b))
	env := append(srv.redisEnv(b), "DATABASE_URL="+srv.postgres.Database(), "HTTP_ADDR="+addr, "SCHOOLBELL_API_KEY="+apiKey, "LOG_LEVEL=warn",
		"API_RATE_PER_KEY=0", "API_RATE_PER_ADDRESS=0") // the benchmark asks as fast as it can
	dir := b.TempDir()
	s := &system{
		server: testenv.StartProgram(b, testenv.ProgramOptions{Dir: dir, Env: env}, bin, "serve"),
		url:    "http://" + addr + "/v1/events", key: apiKey,
		event: func(roles ...string) any {
			return map[string]any{"title": title, "body": body, "audience": map[string]any{"roles": roles}}
		},
	}
	s.server.Await(" serves http")
	c, err := client.New(client.Config{URL: "http://" + addr, Key: apiKey, HTTPClient: httpClient})
	if err != nil {
		b.Fatal(err)
	}
	s.inApp = func() int { return inAppSent(b, c) }
	importPeople(b, c, people)
	if sink != nil {
		env = append(env, "SMTP_HOST="+sink.Host, "SMTP_PORT="+strconv.Itoa(sink.Port), "SMTP_TLS=none", "EMAIL_FROM=Hill School <office@hill.example>")
		s.worker = testenv.StartProgram(b, testenv.ProgramOptions{Dir: dir, Env: env}, bin, "worker")
		s.worker.Await("waits for jobs")
	}
	return s
}

// importPeople sends the school through the import call, made as it is sent.
func importPeople(b testing.TB, c *client.Client, people int) {
	b.Helper()
	r, w := io.Pipe()
	go func() {
		enc := json.NewEncoder(w)
		var err error
		for n := 0; n < people && err == nil; n++ {
			err = enc.Encode(map[string]any{"id": fmt.Sprintf("u%07d", n), "name": fmt.Sprintf("Person %d", n), "email": address(n), "roles": []string{role(n, people)}})
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

// inAppSent is the number of inbox rows of the newest event, once it is completed.
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
		b.Errorf("the event is %s after its job has completed", ev.Status)
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
		post: unit(d.CreateMS, time.Millisecond), took: unit(d.Seconds, time.Second), peak: d.MaxRSSMB, resident: d.MaxRSSMB,
		worker: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), people: people, emails: d.EmailsDistinct, inApp: d.InApp,
	}
}

func TestSchoolbellDelivery(t *testing.T) {
	t.Parallel()
	srv, sink := startServers(t), testenv.SMTPSink(t)
	s := startSchoolbell(t, srv, sink, 250)
	r := s.reach(t, srv, sink, 250) // counts emails and inbox rows
	s.stop()
	if r.post <= 0 || r.took < r.post || r.peak < r.resident || r.resident <= 0 {
		t.Errorf("measured %+v", r)
	}
}
