// Package school is the store of what a school has chosen, in PostgreSQL.
package school

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Settings implements school.SettingsStore.
type Settings struct{ DB *postgres.DB }

// Settings implements school.SettingsStore.
func (s Settings) Settings(ctx context.Context) (v schoolbell.SchoolSettings, err error) {
	err = postgres.Read(ctx, s.DB, "read the school's settings", func(tx pgx.Tx) error {
		v, err = scanSettings(tx.QueryRow(ctx, selectSettings))
		return err
	})
	return v, err
}

// selectSettings selects the school's settings.
const selectSettings = "SELECT settings, version, updated_at FROM school_settings"

func scanSettings(r pgx.Row) (v schoolbell.SchoolSettings, err error) {
	var text string
	var version int64
	var updated time.Time
	if err := r.Scan(&text, &version, &updated); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			err = schoolbell.NotFound("settings", "school")
		}
		return v, err
	}
	return row.DecodeSettings(text, version, updated.UTC())
}

// SeedSettings implements school.SettingsStore.
func (s Settings) SeedSettings(ctx context.Context, first schoolbell.SchoolSettings) (v schoolbell.SchoolSettings, err error) {
	text, err := row.EncodeSettings(first)
	if err != nil {
		return v, err
	}
	err = postgres.Write(ctx, s.DB, "seed the school's settings", func(tx pgx.Tx) error {
		// It waits for another process that is seeding its own just now.
		if _, err := tx.Exec(ctx, seedSettings, text); err != nil {
			return err
		}
		v, err = scanSettings(tx.QueryRow(ctx, selectSettings))
		return err
	})
	return v, err
}

// seedSettings inserts the first settings, unless there are any.
const seedSettings = "INSERT INTO school_settings (id, settings, version, updated_at) VALUES (1, $1, 1, " + postgres.Now + ") ON CONFLICT DO NOTHING"

// PutSettings implements school.SettingsStore.
func (s Settings) PutSettings(ctx context.Context, v schoolbell.SchoolSettings) (stored schoolbell.SchoolSettings, err error) {
	text, err := row.EncodeSettings(v)
	if err != nil {
		return stored, err
	}
	err = postgres.Write(ctx, s.DB, "put the school's settings", func(tx pgx.Tx) error {
		var version int64
		if err := tx.QueryRow(ctx, lockSettings).Scan(&version); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if v.Version != 0 && v.Version != version {
			return row.OutdatedSettings()
		}
		stored, err = scanSettings(tx.QueryRow(ctx, putSettings, text))
		return err
	})
	return stored, err
}

// lockSettings selects the version of the settings and keeps others from changing them.
const lockSettings = "SELECT version FROM school_settings FOR UPDATE"

// putSettings replaces the settings by the next version, or inserts the first one.
const putSettings = `
	INSERT INTO school_settings (id, settings, version, updated_at)
	VALUES (1, $1, 1, ` + postgres.Now + `)
	ON CONFLICT (id) DO UPDATE
	SET settings = excluded.settings, version = school_settings.version + 1, updated_at = excluded.updated_at
	RETURNING settings, version, updated_at`
