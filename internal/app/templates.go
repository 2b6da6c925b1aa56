package app

import (
	"fmt"

	"schoolbell"
	"schoolbell/internal/channel"
	"schoolbell/internal/render"
	"schoolbell/internal/school"
	"schoolbell/internal/templates"
)

// templates is the service of templates.
func (r *Runtime) templates(renderer *render.Renderer) (*templates.Service, error) {
	emails, err := r.testEmails()
	return templates.New(templates.Config{Store: r.Templates, Renderer: renderer, School: school.New(r.Ledger.School), Events: r.Ledger.Reports,
		Records: r.Ledger.Exports, People: r.Ledger.People, Texts: r.Ledger.Previews, Emails: emails}), err
}

// testEmails sends the tests of templates: through the channel of this process, or, where the workers are other processes, by a provider
// that only tests use. It is nil if the settings of this process name no mail server.
func (r *Runtime) testEmails() (*templates.Emails, error) {
	set := r.Channels
	if set == nil {
		if !r.Config.HTTP.Panel || r.Config.Email.Captured() {
			return nil, nil
		}
		var err error
		if set, err = channel.Open(r.Config, r.Log); err != nil {
			return nil, fmt.Errorf("set up tests of templates: %w", err)
		}
		r.closers = append(r.closers, set.Close)
	}
	for _, ch := range set.Channels() {
		if ch.Name == schoolbell.ChannelEmail && ch.Provider != nil {
			return &templates.Emails{Sender: ch.Provider.Lane(schoolbell.LaneNormal), Captured: set.Catcher != nil}, nil
		}
	}
	return nil, nil
}
