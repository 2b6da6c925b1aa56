package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Schedules implements people.ScheduleStore.
type Schedules struct{ DB *DB }

// PutSchedule implements people.ScheduleStore.
func (s Schedules) PutSchedule(ctx context.Context, userID string, v schoolbell.Schedule) error {
	return s.DB.write(ctx, "put schedule", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, putSchedule, args{"user": seq, "quiet_hours": v.QuietHours.String(), "digest_window": v.Digest.String()})
		return err
	})
}

// putSchedule changes the schedule of a user.
const putSchedule = "UPDATE users SET quiet_hours = @quiet_hours, digest_window = @digest_window, updated_at = " + now + " WHERE seq = @user"

// Schedule implements people.ScheduleStore.
func (s Schedules) Schedule(ctx context.Context, userID string) (v schoolbell.Schedule, timezone string, err error) {
	err = s.DB.read(ctx, "read schedule", func(c *conn) error {
		var quietHours, digestWindow string
		err := c.get(ctx, findSchedule, args{"id": userID}, &quietHours, &digestWindow, &timezone)
		v = row.Schedule(quietHours, digestWindow)
		return orNotFound(err, "user", userID)
	})
	return v, timezone, err
}

// findSchedule selects the schedule of a live user.
var findSchedule = row.SQL("SELECT quiet_hours, digest_window, timezone FROM users WHERE id = @id AND state = {user_live}")

// PutLanguage implements people.ScheduleStore.
func (s Schedules) PutLanguage(ctx context.Context, userID, tag string) error {
	return s.DB.write(ctx, "put language", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, putLanguage, args{"user": seq, "locale": tag})
		return err
	})
}

// putLanguage changes the language of a user, who has chosen it.
const putLanguage = "UPDATE users SET locale = @locale, locale_chosen = 1, updated_at = " + now + " WHERE seq = @user"
