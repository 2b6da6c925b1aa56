package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"schoolbell"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/channel"
	"schoolbell/internal/config"
	"schoolbell/internal/identity"
	"schoolbell/internal/panel"
	"schoolbell/internal/people"
	"schoolbell/internal/preview"
	"schoolbell/internal/school"
	"schoolbell/internal/staff"
	"schoolbell/internal/store"
	"schoolbell/internal/templates"
	"schoolbell/internal/testmessage"
)

// OpenStaff returns the service of staff accounts on a ledger.
func OpenStaff(ctx context.Context, l *store.Ledger, log *slog.Logger) (*staff.Service, error) {
	return staff.Open(ctx, l.Staff, l.Sessions, l.Auth, staff.Options{Logger: log})
}

// panel mounts the panel beside the API, unless PANEL=false, and returns what runs for it.
func (r *Runtime) panel(ctx context.Context, server *api.Server, previews *preview.Service, keys *auth.Service, t *templates.Service) ([]Service, error) {
	if !r.Config.HTTP.Panel {
		return nil, nil
	}
	accounts, err := OpenStaff(ctx, r.Ledger, r.Log)
	if err != nil {
		return nil, err
	}
	drafts := staff.NewDrafts(r.Ledger.Drafts, staff.Options{Logger: r.Log})
	c := r.panelConfig()
	c.Staff, c.Drafts, c.Keys, c.Previews, c.Templates = accounts, drafts, keys, previews, t
	c.SignOn = r.signOn(accounts)
	c.Health, c.LatestHealth, c.Address = server.Readiness, server.LatestReadiness, server.ClientAddress
	p, err := panel.New(c)
	if err != nil {
		return nil, fmt.Errorf("set up the panel: %w", err)
	}
	server.Handle(panel.Root, p)
	server.Handle("GET /{$}", http.HandlerFunc(panel.Redirect))
	return []Service{p.Run, accounts.Run, drafts.Run}, nil
}

// panelConfig is what the panel needs of the parts that are open.
func (r *Runtime) panelConfig() panel.Config {
	everybody := people.New(r.Ledger.People, r.Ledger.School, r.Log, people.InRegion(r.Config.SMS.Region))
	schedules := people.NewSchedules(r.Ledger.Schedules)
	k := r.Config.Retention
	c := panel.Config{
		Store:    r.Ledger.Reports,
		Overview: r.Ledger.Overviews,
		Reports:  r.Ledger.EventReports,
		Areas:    r.Ledger.Areas,
		Pipeline: r.Pipeline,
		Queues:   newQueueList(r.Pipeline.Queues(), r.Redis, r.Config.KeyPrefix()),
		Webhooks: r.Webhooks,
		Channels: channel.Names(r.Config),

		School:         school.New(r.Ledger.School),
		SchoolSettings: r.Settings,
		Settings:       r.Settings.Current,
		Kept: schoolbell.Retention{Events: period(k.Events), Deliveries: period(k.Deliveries), Inbox: period(k.Inbox), Receipts: period(k.Receipts),
			Audit: period(k.Audit), Idempotency: period(k.Idempotency)},

		People:           everybody,
		Groups:           everybody,
		Directory:        people.NewDirectory(r.Ledger.Directory),
		Schedules:        schedules,
		PersonDeliveries: r.Ledger.PersonDeliveries,

		Tests:     testmessage.New(r.Pipeline, everybody, schedules, r.Ledger.Suppressions),
		Providers: r.providers(),

		Suppressions: r.Ledger.Suppressions,

		Logger: r.Log,
	}
	if r.Config.Set("PUBLIC_URL") {
		c.PublicURL = r.Config.HTTP.PublicURL
	}
	if r.Channels != nil && r.Channels.Catcher != nil {
		c.Mail = r.Channels.Catcher
	}
	return c
}

// signOn lets the staff sign in at the identity provider of the settings; nil if there is none.
func (r *Runtime) signOn(accounts *staff.Service) *panel.SignOn {
	o := r.Config.OIDC
	if !o.SetUp() {
		return nil
	}
	return &panel.SignOn{Name: o.Label(), Issuer: o.Issuer, Provider: IdentityProvider(r.Config), Identities: staff.NewIdentities(accounts, r.Ledger.Identity)}
}

// IdentityProvider returns the identity provider of the settings.
func IdentityProvider(c *config.Config) *identity.Provider {
	o := c.OIDC
	return identity.New(identity.Config{Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), TrustEmail: o.TrustEmail,
		RedirectURL: SignOnRedirect(c)})
}

// SignOnRedirect is where the identity provider sends browsers back to.
func SignOnRedirect(c *config.Config) string { return panel.RedirectURL(c.HTTP.PublicURL) }

// period is how long something is kept, as the school would write it.
func period(k config.Keep) schoolbell.Period { return schoolbell.Period(k.String()) }

// PasswordURL is the page at which somebody with a link chooses a password, on the server at base.
func PasswordURL(base, secret string) string {
	return strings.TrimRight(base, "/") + panel.Root + "password/" + secret
}
