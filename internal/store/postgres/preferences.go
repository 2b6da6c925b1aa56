package postgres

import (
	"context"
	"fmt"

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
		for i, p := range wishes {
			tag, err := tx.Exec(ctx, putPreference, named{"user": seq, "category": p.Category, "channel": p.Channel, "mode": p.Mode})
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return row.UnknownChannel(fmt.Sprintf("preferences[%d].channel", i), p.Channel)
			}
		}
		return nil
	})
}

// putPreference inserts or replaces a preference. It stores nothing if the channel is unknown.
const putPreference = `
	INSERT INTO preferences (user_seq, category, channel, mode)
	SELECT @user, @category, id, @mode
	FROM channels
	WHERE name = @channel
	ON CONFLICT (user_seq, category, channel) DO UPDATE SET mode = excluded.mode`

// Preferences implements people.Store.
func (s People) Preferences(ctx context.Context, userID string) (wishes []schoolbell.Preference, err error) {
	err = s.DB.read(ctx, "read preferences", func(tx pgx.Tx) error {
		seq, err := userSeq(ctx, tx, userID)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, listPreferences, seq)
		wishes, err = list(rows, err, func(r pgx.CollectableRow) (p schoolbell.Preference, err error) {
			err = r.Scan(&p.Category, &p.Channel, &p.Mode)
			return p, err
		})
		return err
	})
	return wishes, err
}

// listPreferences selects the preferences of a user.
const listPreferences = `
	SELECT p.category, c.name, p.mode
	FROM preferences p
	JOIN channels c ON c.id = p.channel
	WHERE p.user_seq = $1
	ORDER BY p.category, p.channel`
