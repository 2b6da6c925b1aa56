package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// PutPreferences implements people.Store.
func (s People) PutPreferences(ctx context.Context, userID string, wishes []schoolbell.Preference) error {
	return s.DB.write(ctx, "put preferences", func(tx pgx.Tx) error {
		seq, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		for _, p := range wishes {
			if _, err := tx.Exec(ctx, putPreference, named{
				"user": seq, "category": p.Category, "channel": row.ChannelNumber(p.Channel), "opted_out": p.OptedOut,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// putPreference inserts or replaces a preference.
const putPreference = `
	INSERT INTO preferences (user_seq, category, channel, opted_out)
	VALUES (@user, @category, @channel, @opted_out)
	ON CONFLICT (user_seq, category, channel) DO UPDATE SET opted_out = excluded.opted_out`

// Preferences implements people.Store.
func (s People) Preferences(ctx context.Context, userID string) (wishes []schoolbell.Preference, err error) {
	err = s.DB.read(ctx, "read preferences", func(tx pgx.Tx) error {
		seq, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listPreferences, seq)
		wishes, err = list(rows, err, func(r pgx.CollectableRow) (p schoolbell.Preference, err error) {
			var channel int
			err = r.Scan(&p.Category, &channel, &p.OptedOut)
			p.Channel = row.Channel(channel)
			return p, err
		})
		return err
	})
	return wishes, err
}

// listPreferences selects the preferences of a user.
const listPreferences = "SELECT category, channel, opted_out FROM preferences WHERE user_seq = $1 ORDER BY category, channel"
