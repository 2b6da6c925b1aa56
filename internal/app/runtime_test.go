package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/app"
	"schoolbell/internal/auth"
	"schoolbell/internal/config"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// start runs a whole server on its defaults, in a folder of the test's own, and
// returns its runtime and a client of it.
func start(t *testing.T) (*app.Runtime, *client.Client) {
	t.Helper()
	cfg := &config.Config{}
	if _, err := config.Load(cfg, config.Sources{Env: []string{"DATA_DIR=" + t.TempDir(), "HTTP_ADDR=127.0.0.1:0", "MAIL_CATCHER_ADDR=127.0.0.1:0"}}); err != nil {
		t.Fatal(err)
	}
	r := app.New(cfg, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	ln, err := app.Listen(t.Context(), "HTTP_ADDR", cfg.HTTP.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := auth.New(r.Ledger.Auth, auth.Options{})
	key, err := keys.FirstStart(t.Context(), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	services, err := r.Serve(t.Context(), ln, keys, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx, services...) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Config{URL: new(config.HTTP).LocalURL(ln.Addr().String()), Key: key, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return r, c
}

func TestRuntime(t *testing.T) {
	t.Parallel()
	t.Run("an event reaches a person by email and in the app", func(t *testing.T) {
		t.Parallel()
		r, c := start(t)
		ada := &schoolbell.User{ID: "ada", Name: "Ada", Email: "ada@hill.example", Roles: []schoolbell.Role{schoolbell.RoleStudent}}
		ada.Normalize()
		if _, err := r.Ledger.People.PutUsers(t.Context(), []*schoolbell.User{ada}); err != nil {
			t.Fatal(err)
		}
		e, err := c.CreateEvent(t.Context(), wire.NewEvent{
			Title: "Sports day", Body: "On Friday.", Category: schoolbell.CategoryAnnouncement,
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"ada"}}},
			Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail},
		})
		if err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, time.Minute, func() bool {
			stored, err := r.Ledger.Events.Event(t.Context(), e.ID)
			return err == nil && stored.Status.Terminal()
		}, "the event is still open")
		if n := r.Channels.Catcher.Accepted(); n != 1 {
			t.Errorf("the mail catcher took %d emails, want 1", n)
		}
	})
	t.Run("everything it depends on is healthy", func(t *testing.T) {
		t.Parallel()
		r, _ := start(t)
		if found := r.HealthCheck().Readiness(t.Context()); found.Code() != http.StatusOK || len(found.Dependencies) != 3 {
			t.Errorf("found %+v", found)
		}
	})
}
