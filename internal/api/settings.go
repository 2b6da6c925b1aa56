package api

import (
	"context"

	"schoolbell"
	"schoolbell/wire"
)

// Settings is what the API needs of the settings of the school.
type Settings interface {
	Get(ctx context.Context) (schoolbell.SchoolSettings, error)
	Put(ctx context.Context, s schoolbell.SchoolSettings) (schoolbell.SchoolSettings, error)

	// Current returns the settings as they were at most seconds ago, also while the ledger is unavailable.
	Current() schoolbell.SchoolSettings
}

type settingsOutput struct{ Body *wire.Settings }

func (s *Server) getSettings(ctx context.Context, _ *struct{}) (*settingsOutput, error) {
	v, err := s.cfg.Settings.Get(ctx)
	if err != nil {
		return nil, err
	}
	return &settingsOutput{wire.SettingsOf(v)}, nil
}

type putSettingsInput struct{ Body wire.Settings }

func (s *Server) putSettings(ctx context.Context, in *putSettingsInput) (*settingsOutput, error) {
	v, err := s.cfg.Settings.Put(ctx, in.Body.Settings())
	if err != nil {
		return nil, err
	}
	return &settingsOutput{wire.SettingsOf(v)}, nil
}
