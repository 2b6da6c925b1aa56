package app

import (
	"context"
	"net"

	"schoolbell/internal/channel"
	"schoolbell/internal/panel/settings"
)

// providers is what the panel shows and checks of the providers.
func (r *Runtime) providers() settings.Providers {
	p := settings.Providers{Reported: r.reported()}
	for _, d := range channel.Describe(r.Config) {
		p.List = append(p.List, settings.Provider(d))
	}
	p.Check = func(ctx context.Context) (found []settings.Finding) {
		for _, d := range channel.Diagnose(ctx, r.Config) {
			found = append(found, settings.Finding{Name: string(d.Channel), Detail: d.Detail, Fix: d.Fix, Broken: d.Broken})
		}
		return found
	}
	p.Sender = func(ctx context.Context) (domain string, records []settings.Finding) {
		domain, found := channel.CheckSender(ctx, r.Config, net.DefaultResolver.LookupTXT)
		for _, f := range found {
			records = append(records, settings.Finding{Name: f.Name, Detail: f.Detail, Fix: f.Fix, Unknown: f.Unknown})
		}
		return domain, records
	}
	return p
}
