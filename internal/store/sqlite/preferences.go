package sqlite

import (
	"context"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// PutPreferences implements people.Store.
func (s People) PutPreferences(ctx context.Context, userID string, wishes []schoolbell.Preference) error {
	return s.DB.write(ctx, "put preferences", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		for _, p := range wishes {
			if _, err := c.exec(ctx, `INSERT INTO preferences (user_seq, category, channel, opted_out) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT (user_seq, category, channel) DO UPDATE SET opted_out = excluded.opted_out`,
				seq, string(p.Category), row.ChannelNumber(p.Channel), p.OptedOut); err != nil {
				return err
			}
		}
		return nil
	})
}

// Preferences implements people.Store.
func (s People) Preferences(ctx context.Context, userID string) (wishes []schoolbell.Preference, err error) {
	err = s.DB.read(ctx, "read preferences", func(c *conn) error {
		seq, err := userSeq(ctx, c, userID)
		if err != nil {
			return err
		}
		return c.each(ctx, "SELECT category, channel, opted_out FROM preferences WHERE user_seq = ?1 ORDER BY category, channel", []any{seq},
			func(scan func(...any) error) error {
				var p schoolbell.Preference
				var channel int
				err := scan(&p.Category, &channel, &p.OptedOut)
				p.Channel = row.Channel(channel)
				wishes = append(wishes, p)
				return err
			})
	})
	return wishes, err
}
