package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Settings implements school.SettingsStore.
type Settings struct{ DB *DB }

// Settings implements school.SettingsStore.
func (s Settings) Settings(ctx context.Context) (v schoolbell.SchoolSettings, err error) {
	err = s.DB.read(ctx, "read the school's settings", func(c *conn) error {
		v, err = readSettings(ctx, c)
		return err
	})
	return v, err
}

func readSettings(ctx context.Context, c *conn) (v schoolbell.SchoolSettings, err error) {
	var text string
	var version int64
	var updated sql.NullInt64
	if err := c.get(ctx, selectSettings, nil, &text, &version, &updated); err != nil {
		return v, orNotFound(err, "settings", "school")
	}
	return row.DecodeSettings(text, version, timeOf(updated))
}

// selectSettings selects the school's settings.
const selectSettings = "SELECT settings, version, updated_at FROM school_settings"

// SeedSettings implements school.SettingsStore.
func (s Settings) SeedSettings(ctx context.Context, first schoolbell.SchoolSettings) (v schoolbell.SchoolSettings, err error) {
	text, err := row.EncodeSettings(first)
	if err != nil {
		return v, err
	}
	err = s.DB.write(ctx, "seed the school's settings", func(c *conn) error {
		if _, err := c.exec(ctx, seedSettings, args{"settings": text}); err != nil {
			return err
		}
		v, err = readSettings(ctx, c)
		return err
	})
	return v, err
}

// seedSettings inserts the first settings, unless there are any.
const seedSettings = "INSERT INTO school_settings (id, settings, version, updated_at) VALUES (1, @settings, 1, " + now + ") ON CONFLICT DO NOTHING"

// PutSettings implements school.SettingsStore.
func (s Settings) PutSettings(ctx context.Context, v schoolbell.SchoolSettings) (stored schoolbell.SchoolSettings, err error) {
	text, err := row.EncodeSettings(v)
	if err != nil {
		return stored, err
	}
	err = s.DB.write(ctx, "put the school's settings", func(c *conn) error {
		var version int64
		if err := c.get(ctx, "SELECT version FROM school_settings", nil, &version); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if v.Version != 0 && v.Version != version {
			return row.OutdatedSettings()
		}
		if _, err := c.exec(ctx, putSettings, args{"settings": text}); err != nil {
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
VALUES (1, @settings, 1, ` + now + `)
ON CONFLICT (id) DO UPDATE
SET settings = excluded.settings,
	version = version + 1,
	updated_at = excluded.updated_at`
