package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// PutPreferences implements people.Store.
func (s People) PutPreferences(ctx context.Context, userID string, preferences []schoolbell.Preference) error {
	return s.DB.write(ctx, "put preferences", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		for _, p := range preferences {
			a := args{"user": seq, "category": string(p.Category), "channel": row.ChannelNumber(p.Channel), "opted_out": p.OptedOut}
			if _, err := c.exec(ctx, putPreference, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// putPreference inserts or changes a preference.
const putPreference = `
INSERT INTO preferences (user_seq, category, channel, opted_out)
VALUES (@user, @category, @channel, @opted_out)
ON CONFLICT (user_seq, category, channel) DO UPDATE
SET opted_out = excluded.opted_out`

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
			err := scan(&p.Category, &channel, &p.OptedOut)
			p.Channel = row.Channel(channel)
			preferences = append(preferences, p)
			return err
		})
	})
	return preferences, err
}

// listPreferences selects the preferences of a user.
const listPreferences = `
SELECT category, channel, opted_out
FROM preferences
WHERE user_seq = @user
ORDER BY category, channel`
