package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"schoolbell/internal/cli"
	"schoolbell/internal/testenv"
)

const patience = 60 * time.Second

// buffer is an output that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a running command, in this process or in its own.
type running struct {
	t        testing.TB
	out, err buffer
	stop     func() // asks it to end
	exited   chan struct{}
	code     int // read after exited
}

// inProcess runs a command in this process; stop ends its context.
func inProcess(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	return inProcessWith(t, "", env, args...)
}

// inProcessWith is inProcess with a standard input.
func inProcessWith(t *testing.T, in string, env []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stop: cancel, exited: make(chan struct{})}
	go func() {
		r.code = cli.Run(ctx, cli.Process{Args: args, Env: env, In: strings.NewReader(in), Out: &r.out, Err: &r.err})
		close(r.exited)
	}()
	t.Cleanup(func() { cancel(); <-r.exited })
	return r
}

// spawn runs the built program; stop sends SIGTERM.
func spawn(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{t: t, exited: make(chan struct{})}
	cmd := exec.Command(testenv.Binary(t), args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, t.TempDir(), &r.out, &r.err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code says it
		r.code = cmd.ProcessState.ExitCode()
		close(r.exited)
	}()
	r.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-r.exited })
	return r
}

// says waits until the output or the log matches and returns the first group.
func (r *running) says(pattern string) string {
	r.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	var found []string
	deadline := time.After(patience)
	for {
		if found = re.FindStringSubmatch(r.out.String() + "\n" + r.err.String()); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-r.exited:
			if found = re.FindStringSubmatch(r.out.String() + "\n" + r.err.String()); found != nil {
				return found[len(found)-1]
			}
			r.t.Fatalf("ended with code %d and never said %q:\n%s%s", r.code, pattern, &r.out, &r.err)
		case <-deadline:
			r.t.Fatalf("does not say %q:\n%s%s", pattern, &r.out, &r.err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// ends asks it to end and expects it to do so in good order.
func (r *running) ends() {
	r.t.Helper()
	r.stop()
	r.exits(0)
	r.says("✓ Stopped")
}

func (r *running) exits(code int) {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(patience):
		r.t.Fatalf("does not end:\n%s%s", &r.out, &r.err)
	}
	if r.code != code {
		r.t.Errorf("exit code %d, want %d:\n%s%s", r.code, code, &r.out, &r.err)
	}
}

// server is an API that a test talks to.
type server struct {
	t        *testing.T
	url, key string
}

// call sends a request and decodes the answer; it wants one of status 200 to 299.
func (s server) call(method, path string, body, out any) {
	s.t.Helper()
	if err := s.try(method, path, body, out); err != nil {
		s.t.Fatal(err)
	}
}

func (s server) try(method, path string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.key)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// people puts n users.
func (s server) people(n int) {
	s.t.Helper()
	for i := range n {
		s.call("PUT", fmt.Sprintf("/v1/users/u%d", i), map[string]any{
			"name": fmt.Sprintf("Person %d", i), "email": fmt.Sprintf("u%d@school.example", i), "roles": []string{"parent"},
		}, nil)
	}
}

type event struct {
	ID, Status string
	Progress   struct {
		Channels map[string]struct{ Total, Sent, Pending int }
	}
}

func (s server) announce() string {
	s.t.Helper()
	var e event
	s.call("POST", "/v1/events", map[string]any{"title": "Sports day", "body": "It is on Friday.", "audience": map[string]any{"roles": []string{"parent"}}}, &e)
	return e.ID
}

// reached waits until the event is completed with n emails sent and n inbox rows.
func (s server) reached(id string, n int) {
	s.t.Helper()
	testenv.Eventually(s.t, patience, func() error {
		var e event
		if err := s.try("GET", "/v1/events/"+id, nil, &e); err != nil {
			return err
		}
		email, inApp := e.Progress.Channels["email"], e.Progress.Channels["in_app"]
		if e.Status != "completed" || email.Sent != n || inApp.Sent != n {
			return fmt.Errorf("event is %+v", e)
		}
		return nil
	}, "event reaches %d people", n)
}

// bare is an environment with nothing of this machine's but where temporary files go.
func bare(settings ...string) []string {
	return append([]string{"TMPDIR=" + os.TempDir(), "HTTP_ADDR=127.0.0.1:0"}, settings...)
}

const urlLine = `serves (http://\S+)`
