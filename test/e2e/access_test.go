package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

func TestAccess(t *testing.T) {
	t.Parallel()
	t.Run("a changed API key replaces the old one in all processes", testAccessChangedKey)
	t.Run("revoked tokens end in every process", testAccessRevokedTokens)
}

// A process started with another key in its settings ends the key before, also in a
// process that still runs with it.
func testAccessChangedKey(t *testing.T) {
	t.Parallel()
	for name, database := range ledgers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail := system.NewMail(t)
			s := system.New(t, system.Parts{Database: database(t), SMTP: mail.Addr()})
			first := s.Serve()
			s.AwaitReady()
			if _, err := s.Client.Users(t.Context(), client.Page{}); err != nil {
				t.Fatal(err)
			}
			const newKey = "another-key-for-system-tests-1"
			port := testenv.FreePort(t)
			second := s.LaunchWith([]string{"SCHOOLBELL_API_KEY=" + newKey, fmt.Sprintf("HTTP_ADDR=127.0.0.1:%d", port)}, "second", "serve")
			second.Await(" serves http://127.0.0.1:")
			second.Await("has replaced an earlier key")
			testenv.Eventually(t, 15*time.Second, func() error {
				_, err := s.Client.Users(t.Context(), client.Page{})
				if code := problemCode(err); code != "unauthorized" {
					return fmt.Errorf("the old key: %v", err)
				}
				return nil
			}, "the first process refuses the old key")
			if _, err := s.As(newKey).Users(t.Context(), client.Page{}); err != nil {
				t.Errorf("the new key: %v", err)
			}
			if list := s.Does("key", "list"); strings.Count(list, "SCHOOLBELL_API_KEY") != 1 {
				t.Errorf("the keys are\n%s", list)
			}
			second.Stop()
			first.Stop()
		})
	}
}

func ledgers() map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{
		"SQLite":     func(testing.TB) string { return "" },
		"PostgreSQL": testenv.Postgres,
	}
}

func problemCode(err error) string {
	p, ok := err.(*client.Problem)
	if !ok {
		return ""
	}
	return p.Code
}

// Tokens are revoked by a command while a stream is open in another process.
func testAccessRevokedTokens(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{SMTP: mail.Addr()})
	serve := s.Serve()
	s.AwaitReady()
	s.Import(2)
	token, err := s.Client.CreateToken(t.Context(), system.Person(0), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		var last error
		for _, err := range s.As(token.Token).WatchInbox(ctx, system.Person(0), -1) {
			last = err
			if problemCode(err) != "" {
				break
			}
		}
		ended <- last
	}()
	s.Does("user", "revoke-tokens", system.Person(0))
	if err := <-ended; problemCode(err) != "unauthorized" {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := s.As(token.Token).Inbox(t.Context(), system.Person(0), client.Page{}); problemCode(err) != "unauthorized" {
		t.Errorf("the token: %v", err)
	}
	serve.Stop()
}

// With few file descriptors, streams and idle connections leave enough for the rest.
func TestDescriptorLimit(t *testing.T) {
	t.Parallel()
	mail, pg := system.NewMail(t), testenv.Postgres(t)
	s := system.New(t, system.Parts{Database: pg, SMTP: mail.Addr(), Settings: []string{"STREAMS_PER_KEY=0", "STREAMS_PER_USER=0"}})
	s.Limit(func(bin string, args []string) (string, []string) {
		sh, err := exec.LookPath("sh")
		if err != nil {
			t.Fatal(err)
		}
		return sh, append([]string{"-c", `ulimit -n 192 && exec "$0" "$@"`, bin}, args...)
	})
	serve := s.Serve()
	serve.Await("fewer live streams than STREAMS_MAX")
	s.AwaitReady()
	s.Import(20)
	token, err := s.Client.CreateToken(t.Context(), system.Person(0), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var streams sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer streams.Wait()
	defer cancel()
	answered := make(chan int, 300)
	for range 150 {
		streams.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/users/"+system.Person(0)+"/inbox/stream", nil)
			req.Header.Set("Authorization", "Bearer "+token.Token)
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			answered <- resp.StatusCode
			_, _ = io.Copy(io.Discard, resp.Body)
		})
	}
	for got := map[int]int{}; got[429] == 0; {
		select {
		case code := <-answered:
			got[code]++
		case <-time.After(20 * time.Second):
			t.Fatalf("no stream was refused: %v", got)
		}
	}
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Sports day", Body: "Moved.",
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}})
	if err != nil {
		t.Fatal(err)
	}
	done := s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	if got := done.Progress.Channels[schoolbell.ChannelEmail].Sent; got != 20 {
		t.Errorf("%d emails were sent", got)
	}
	cancel()
	serve.Stop()
	if strings.Contains(serve.Output(), "too many open files") {
		t.Error("the program ran out of descriptors")
	}
}
