package app

import (
	"context"
	"fmt"
	"net"

	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/channel"
	"schoolbell/internal/channel/push"
	"schoolbell/internal/inbox"
	"schoolbell/internal/people"
	"schoolbell/internal/school"
)

// warmLedger prepares the ledger for the first requests. If that fails, they tell why.
func (r *Runtime) warmLedger(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, LedgerTimeout)
	defer cancel()
	if err := r.Ledger.Warm(ctx); err != nil {
		r.Log.Debug("the ledger could not be prepared for requests", "error", err)
	}
}

// Serve returns the services of a server: the API on ln, the inbox and the relay, and the
// workers where this process has opened the channels.
func (r *Runtime) Serve(ctx context.Context, ln net.Listener, keys *auth.Service, version string) ([]Service, error) {
	language := func() string { return r.Settings.Current().Language }
	box := inbox.New(r.Ledger.Inboxes, inbox.Options{Logger: r.Log, Language: language})
	proxies, err := r.Config.HTTP.Proxies()
	if err != nil {
		return nil, err
	}
	conf, reload, err := r.TLS()
	if err != nil {
		return nil, err
	}
	connections := connectionLimit(r.Config, openFiles())
	streams := streamLimit(r.Config.HTTP.StreamsMax, connections)
	if streams < r.Config.HTTP.StreamsMax {
		r.Log.Warn("the limit of open files allows fewer live streams than STREAMS_MAX", "streams", streams, "connections", connections, "files", openFiles())
	}
	receipts, err := r.receipts()
	if err != nil {
		return nil, err
	}
	renderer, err := r.renderer()
	if err != nil {
		return nil, fmt.Errorf("set up the templates: %w", err)
	}
	previews := r.previews(renderer)
	templates, err := r.templates(renderer)
	if err != nil {
		return nil, err
	}
	server, err := api.New(api.Config{
		Templates: templates,
		SMSCost:   r.smsCost(renderer), Previews: previews,
		Store: r.Ledger.Reports, Exports: r.Ledger.Exports, PersonDeliveries: r.Ledger.PersonDeliveries, Ping: r.Ledger.Ping, Pipeline: r.Pipeline, People: people.New(r.Ledger.People, r.Ledger.School, r.Log, people.InRegion(r.Config.SMS.Region)), Schedules: people.NewSchedules(r.Ledger.Schedules), Calendars: inbox.NewCalendars(r.Ledger.Calendars, nil, language), School: school.New(r.Ledger.School), Inbox: box, Auth: keys, Settings: r.Settings, Receipts: receipts, Suppressions: r.Ledger.Suppressions, Webhooks: r.Webhooks, Reported: r.reported(),
		Push:     api.Push{PublicKey: r.Config.Push.PublicKey, Serves: push.Services(r.Config.Push.Services).Has},
		Messages: inbox.NewMessages(r.Ledger.Inboxes, r.Ledger.Receipts, nil, language), Links: r.Links, PublicURL: r.Config.HTTP.PublicURL, Channels: channel.Names(r.Config),
		Queues: r.Pipeline.Queues(), Dependencies: r.dependencies(), Registry: r.Metrics, NoMetrics: !r.Config.HTTP.Metrics,
		Logger: r.Log, Version: version, Grace: WorkGrace(r.Config), TLS: conf, Origins: r.Config.HTTP.CORSOrigins,
		Streams: api.StreamLimits{PerUser: r.Config.HTTP.StreamsPerUser, PerKey: r.Config.HTTP.StreamsPerKey, Total: streams},
		Rates:   api.RateLimits{PerKey: r.Config.HTTP.RatePerKey, PerAddress: r.Config.HTTP.RatePerAddress, TrustedProxies: proxies},
	})
	if err != nil {
		return nil, fmt.Errorf("set up the API: %w", err)
	}
	pages, err := r.panel(ctx, server, previews, keys, templates)
	if err != nil {
		return nil, err
	}
	services := []Service{
		func(ctx context.Context) error {
			r.warmLedger(ctx)
			return server.Serve(ctx, limitConnections(ln, connections))
		},
		box.Run, keys.Run,
	}
	services = append(services, pages...)
	services = append(services, r.Relay()...)
	if r.bounces != nil {
		services = append(services, r.serveBounces(receipts, conf))
	}
	if reload != nil {
		services = append(services, reload)
	}
	if r.Channels == nil {
		return services, nil
	}
	workers, err := r.Workers()
	if err != nil {
		return nil, err
	}
	return append(services, workers), nil
}
