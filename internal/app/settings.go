package app

import (
	"context"
	"fmt"

	"schoolbell"
	"schoolbell/internal/config"
)

// firstSettings returns the settings of a school that has not changed any.
func firstSettings(cfg *config.Config) schoolbell.SchoolSettings {
	s := schoolbell.DefaultSchoolSettings()
	s.Name, s.Language, s.Timezone = cfg.School.Name, cfg.School.Language, cfg.School.Timezone
	s.Normalize()
	return s
}

// SeedSettings stores the first settings of the school if the ledger has none. Only servers
// do: a worker that starts first need not know what the environment of the server says.
func (r *Runtime) SeedSettings(ctx context.Context) error {
	stored, err := r.Settings.Seed(ctx)
	if err != nil {
		return fmt.Errorf("store the school's first settings: %w", err)
	}
	r.noteIgnored(stored)
	return nil
}

// LoadSettings reads the settings of the school.
func (r *Runtime) LoadSettings(ctx context.Context) error {
	stored, err := r.Settings.Get(ctx)
	if err != nil {
		return fmt.Errorf("read the school's settings: %w", err)
	}
	r.noteIgnored(stored)
	return nil
}

// noteIgnored logs each setting of the environment that differs from the ledger's.
func (r *Runtime) noteIgnored(stored schoolbell.SchoolSettings) {
	first := firstSettings(r.Config)
	for _, s := range []struct{ env, key, given, stored string }{
		{"SCHOOL_NAME", "name", first.Name, stored.Name},
		{"SCHOOL_LANGUAGE", "language", first.Language, stored.Language},
		{"SCHOOL_TIMEZONE", "timezone", first.Timezone, stored.Timezone},
	} {
		if r.Config.Set(s.env) && s.given != s.stored {
			r.Log.Warn("a setting is ignored: it gives the first value only, and the ledger has another",
				"setting", s.env, "ignored", s.given, "ledger", s.stored, "fix", fmt.Sprintf("schoolbell settings set %s=%q", s.key, s.given))
		}
	}
}
