package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"schoolbell/internal/api"
	"schoolbell/internal/channel"
	"schoolbell/internal/panel"
	"schoolbell/internal/people"
	"schoolbell/internal/preview"
	"schoolbell/internal/school"
	"schoolbell/internal/staff"
	"schoolbell/internal/store"
)

// OpenStaff returns the service of staff accounts on a ledger.
func OpenStaff(ctx context.Context, l *store.Ledger, log *slog.Logger) (*staff.Service, error) {
	return staff.Open(ctx, l.Staff, l.Sessions, l.Auth, staff.Options{Logger: log})
}

// panel mounts the panel beside the API, unless PANEL=false, and returns what runs for it.
func (r *Runtime) panel(ctx context.Context, server *api.Server, previews *preview.Service) ([]Service, error) {
	if !r.Config.HTTP.Panel {
		return nil, nil
	}
	accounts, err := OpenStaff(ctx, r.Ledger, r.Log)
	if err != nil {
		return nil, err
	}
	public := ""
	if r.Config.Set("PUBLIC_URL") {
		public = r.Config.HTTP.PublicURL
	}
	p, err := panel.New(panel.Config{
		Staff: accounts, Store: r.Ledger.Reports, Pipeline: r.Pipeline, School: school.New(r.Ledger.School),
		Queues: newQueueList(r.Pipeline.Queues(), r.Redis, r.Config.KeyPrefix()), Settings: r.Settings.Current, Health: server.Readiness,
		Previews: previews, Groups: people.New(r.Ledger.People, r.Ledger.School, r.Log), Channels: channel.Names(r.Config),
		People: people.New(r.Ledger.People, r.Ledger.School, r.Log, people.InRegion(r.Config.SMS.Region)), Directory: people.NewDirectory(r.Ledger.Directory),
		Schedules: people.NewSchedules(r.Ledger.Schedules),
		PublicURL: public, Address: server.ClientAddress, Logger: r.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the panel: %w", err)
	}
	server.Handle(panel.Root, p)
	server.Handle("GET /{$}", http.HandlerFunc(panel.Redirect))
	return []Service{p.Run, accounts.Run}, nil
}

// PasswordURL is the page at which somebody with a link chooses a password, on the server at base.
func PasswordURL(base, secret string) string {
	return strings.TrimRight(base, "/") + panel.Root + "password/" + secret
}
