package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Channels implements ledger.Channels.
type Channels struct{ DB *DB }

// PutChannels implements ledger.Channels.
func (s Channels) PutChannels(ctx context.Context, channels []ledger.ChannelInfo) error {
	return s.DB.write(ctx, "put channels", func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockSchool); err != nil { // two could take one number
			return err
		}
		for _, c := range channels {
			given := named{"name": c.Name, "addressed": c.Addressed, "every_address": c.EveryAddress}
			for _, statement := range []string{updateChannel, insertChannel} {
				if _, err := tx.Exec(ctx, statement, given); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// updateChannel changes a channel that differs.
const updateChannel = `
	UPDATE channels
	SET addressed = @addressed, every_address = @every_address
	WHERE name = @name AND (addressed, every_address) <> (@addressed, @every_address)`

// insertChannel adds a channel that is not there under the next number.
const insertChannel = `
	INSERT INTO channels (id, name, addressed, every_address)
	SELECT (SELECT max(id) + 1 FROM channels), @name, @addressed, @every_address
	WHERE NOT EXISTS (SELECT 1 FROM channels WHERE name = @name)`

// Channels implements school.Store.
func (s School) Channels(ctx context.Context) (channels []schoolbell.Channel, err error) {
	err = s.DB.again("list channels", func() error {
		rows, err := s.DB.pool.Query(ctx, "SELECT name FROM channels ORDER BY id")
		channels, err = list(rows, err, pgx.RowTo[schoolbell.Channel])
		return err
	})
	return channels, err
}

// channelNames returns the names as PostgreSQL takes them.
func channelNames(channels []schoolbell.Channel) []string {
	names := make([]string, len(channels))
	for i, c := range channels {
		names[i] = string(c)
	}
	return names
}

func channelsOf(names []string) []schoolbell.Channel {
	out := make([]schoolbell.Channel, len(names))
	for i, name := range names {
		out[i] = schoolbell.Channel(name)
	}
	return out
}

// checkChannels returns a fault for each of the channels that the ledger does not have.
func checkChannels(ctx context.Context, q querier, channels []schoolbell.Channel) error {
	rows, err := q.Query(ctx, listUnknownChannels, channelNames(channels))
	unknown, err := list(rows, err, pgx.RowTo[int])
	if err != nil {
		return err
	}
	return row.UnknownChannels(channels, unknown)
}

// listUnknownChannels selects the positions, from 0, of those names that no channel has.
const listUnknownChannels = `
	SELECT n.i - 1
	FROM unnest($1::text[]) WITH ORDINALITY n(name, i)
	WHERE NOT EXISTS (SELECT 1 FROM channels c WHERE c.name = n.name)
	ORDER BY n.i`
