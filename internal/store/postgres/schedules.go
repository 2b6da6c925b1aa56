package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Schedules implements people.ScheduleStore.
type Schedules struct{ DB *DB }

// PutSchedule implements people.ScheduleStore.
func (s Schedules) PutSchedule(ctx context.Context, userID string, v schoolbell.Schedule) error {
	return s.DB.write(ctx, "put schedule", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, putSchedule, named{"id": userID, "quiet_hours": v.QuietHours.String(), "digest_window": v.Digest.String()})
		if err == nil && tag.RowsAffected() == 0 {
			return schoolbell.NotFound("user", userID)
		}
		return err
	})
}

// putSchedule changes the schedule of a person.
var putSchedule = row.SQL(`
	UPDATE users
	SET quiet_hours = @quiet_hours, digest_window = @digest_window, updated_at = ` + now + `
	WHERE id = @id AND state = {user_live}`)

// Schedule implements people.ScheduleStore.
func (s Schedules) Schedule(ctx context.Context, userID string) (v schoolbell.Schedule, timezone string, err error) {
	err = s.DB.again("read schedule", func() error {
		var quietHours, digestWindow string
		err := s.DB.pool.QueryRow(ctx, selectSchedule, userID).Scan(&quietHours, &digestWindow, &timezone)
		v = row.Schedule(quietHours, digestWindow)
		return orNotFound(err, "user", userID)
	})
	return v, timezone, err
}

// selectSchedule selects the schedule of a person.
var selectSchedule = row.SQL("SELECT quiet_hours, digest_window, timezone FROM users WHERE id = $1 AND state = {user_live}")

// PutLanguage implements people.ScheduleStore. It takes turns with imports, which would overwrite what they have read before.
func (s Schedules) PutLanguage(ctx context.Context, userID, tag string) error {
	return s.DB.write(ctx, "put language", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockPeople); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, putLanguage, userID, tag)
		if err == nil && done.RowsAffected() == 0 {
			return schoolbell.NotFound("user", userID)
		}
		return err
	})
}

// putLanguage changes the language of a person, who has chosen it.
var putLanguage = row.SQL(`
	UPDATE users
	SET locale = $2, locale_chosen = true, updated_at = ` + now + `
	WHERE id = $1 AND state = {user_live}`)
