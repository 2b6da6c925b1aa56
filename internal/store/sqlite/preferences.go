package sqlite

import (
	"context"
	"fmt"

	"schoolbell"
)

// PutPreferences implements people.Store.
func (s People) PutPreferences(ctx context.Context, userID string, preferences []schoolbell.Preference) error {
	return s.DB.write(ctx, "put preferences", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		for i, p := range preferences {
			channel, err := s.DB.channels.asked(ctx, c, fmt.Sprintf("preferences[%d].channel", i), p.Channel)
			if err != nil {
				return err
			}
			a := args{"user": seq, "category": string(p.Category), "channel": channel, "mode": string(p.Mode)}
			if _, err := c.exec(ctx, putPreference, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// putPreference inserts or changes a preference.
const putPreference = `
INSERT INTO preferences (user_seq, category, channel, mode)
VALUES (@user, @category, @channel, @mode)
ON CONFLICT (user_seq, category, channel) DO UPDATE
SET mode = excluded.mode`

// Preferences implements people.Store.
func (s People) Preferences(ctx context.Context, userID string) (preferences []schoolbell.Preference, err error) {
	err = s.DB.read(ctx, "read preferences", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		return c.each(ctx, listPreferences, args{"user": seq}, func(scan func(...any) error) error {
			var p schoolbell.Preference
			var channel int
			if err := scan(&p.Category, &channel, &p.Mode); err != nil {
				return err
			}
			p.Channel, err = s.DB.channels.name(ctx, c, channel)
			preferences = append(preferences, p)
			return err
		})
	})
	return preferences, err
}

// listPreferences selects the preferences of a user.
const listPreferences = `
SELECT category, channel, mode
FROM preferences
WHERE user_seq = @user
ORDER BY category, channel`
