// Package school is the store of what a school has chosen, in SQLite.
package school

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"schoolbell"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Settings implements school.SettingsStore.
type Settings struct{ DB *sqlite.DB }

// Settings implements school.SettingsStore.
func (s Settings) Settings(ctx context.Context) (v schoolbell.SchoolSettings, err error) {
	err = sqlite.Read(ctx, s.DB, "read the school's settings", func(c sqlite.Conn) error {
		v, err = readSettings(ctx, c)
		return err
	})
	return v, err
}

func readSettings(ctx context.Context, c sqlite.Conn) (v schoolbell.SchoolSettings, err error) {
	var text string
	var version, updated int64
	if err := c.Get(ctx, selectSettings, nil, &text, &version, &updated); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = schoolbell.NotFound("settings", "school")
		}
		return v, err
	}
	return row.DecodeSettings(text, version, time.UnixMilli(updated).UTC())
}

// selectSettings selects the school's settings.
const selectSettings = "SELECT settings, version, updated_at FROM school_settings"

// SeedSettings implements school.SettingsStore.
func (s Settings) SeedSettings(ctx context.Context, first schoolbell.SchoolSettings) (v schoolbell.SchoolSettings, err error) {
	text, err := row.EncodeSettings(first)
	if err != nil {
		return v, err
	}
	err = sqlite.Write(ctx, s.DB, "seed the school's settings", func(c sqlite.Conn) error {
		if _, err := c.Exec(ctx, seedSettings, map[string]any{"settings": text}); err != nil {
			return err
		}
		v, err = readSettings(ctx, c)
		return err
	})
	return v, err
}

// seedSettings inserts the first settings, unless there are any.
const seedSettings = "INSERT INTO school_settings (id, settings, version, updated_at) VALUES (1, @settings, 1, " + sqlite.Now + ") ON CONFLICT DO NOTHING"

// PutSettings implements school.SettingsStore.
func (s Settings) PutSettings(ctx context.Context, v schoolbell.SchoolSettings) (stored schoolbell.SchoolSettings, err error) {
	text, err := row.EncodeSettings(v)
	if err != nil {
		return stored, err
	}
	err = sqlite.Write(ctx, s.DB, "put the school's settings", func(c sqlite.Conn) error {
		var version int64
		if err := c.Get(ctx, "SELECT version FROM school_settings", nil, &version); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if v.Version != 0 && v.Version != version {
			return row.OutdatedSettings()
		}
		if _, err := c.Exec(ctx, putSettings, map[string]any{"settings": text}); err != nil {
			return err
		}
		stored, err = readSettings(ctx, c)
		return err
	})
	return stored, err
}

// putSettings replaces the settings by the next version, or inserts the first one.
const putSettings = `
INSERT INTO school_settings (id, settings, version, updated_at)
VALUES (1, @settings, 1, ` + sqlite.Now + `)
ON CONFLICT (id) DO UPDATE
SET settings = excluded.settings,
	version = version + 1,
	updated_at = excluded.updated_at`
