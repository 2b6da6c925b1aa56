package sqlite

import (
	"context"
	"fmt"
	"sync/atomic"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Channels implements ledger.Channels.
type Channels struct{ DB *DB }

// PutChannels implements ledger.Channels.
func (s Channels) PutChannels(ctx context.Context, channels []ledger.ChannelInfo) error {
	return s.DB.write(ctx, "put channels", func(c *conn) error {
		for _, info := range channels {
			a := args{"name": string(info.Name), "addressed": info.Addressed, "every_address": info.EveryAddress}
			if _, err := c.exec(ctx, putChannel, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// putChannel inserts a channel with the next number, or changes one that differs.
const putChannel = `
INSERT INTO channels (name, addressed, every_address)
VALUES (@name, @addressed, @every_address)
ON CONFLICT (name) DO UPDATE
SET addressed = excluded.addressed,
	every_address = excluded.every_address
WHERE addressed <> excluded.addressed
	OR every_address <> excluded.every_address`

// Channels implements people.Store.
func (s People) Channels(ctx context.Context) (channels []schoolbell.Channel, err error) {
	err = s.DB.read(ctx, "list channels", func(c *conn) error {
		channels, err = listOf[schoolbell.Channel](ctx, c, "SELECT name FROM channels ORDER BY id", nil)
		return err
	})
	return channels, err
}

// channelTable remembers the names and numbers of the channels. Channels are added, also by
// other processes, and never removed or renumbered: a name or a number that it does not
// know makes it read the table again.
type channelTable struct{ known atomic.Pointer[row.Channels] }

// get returns what is remembered, or reads the table if nothing is.
func (t *channelTable) get(ctx context.Context, c *conn) (*row.Channels, error) {
	if known := t.known.Load(); known != nil {
		return known, nil
	}
	return t.read(ctx, c)
}

func (t *channelTable) read(ctx context.Context, c *conn) (*row.Channels, error) {
	numbers := map[schoolbell.Channel]int{}
	err := c.each(ctx, "SELECT name, id FROM channels", nil, func(scan func(...any) error) error {
		var name schoolbell.Channel
		var n int
		err := scan(&name, &n)
		numbers[name] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	known := row.NewChannels(numbers)
	t.known.Store(known)
	return known, nil
}

// number returns the number of a channel; ok is false if the ledger does not have it.
func (t *channelTable) number(ctx context.Context, c *conn, name schoolbell.Channel) (n int, ok bool, err error) {
	known, err := t.get(ctx, c)
	if err != nil {
		return 0, false, err
	}
	if n, ok = known.Number(name); ok {
		return n, true, nil
	}
	if known, err = t.read(ctx, c); err != nil {
		return 0, false, err
	}
	n, ok = known.Number(name)
	return n, ok, nil
}

// asked returns the number of a channel that a caller names in a field.
func (t *channelTable) asked(ctx context.Context, c *conn, field string, name schoolbell.Channel) (int, error) {
	n, ok, err := t.number(ctx, c, name)
	if err == nil && !ok {
		err = row.UnknownChannel(field, name)
	}
	return n, err
}

// check returns a fault for each of the channels that the ledger does not have, or nil if there are none.
func (t *channelTable) check(ctx context.Context, c *conn, channels []schoolbell.Channel) error {
	var unknown []int
	for i, name := range channels {
		_, ok, err := t.number(ctx, c, name)
		if err != nil {
			return err
		}
		if !ok {
			unknown = append(unknown, i)
		}
	}
	return row.UnknownChannels(channels, unknown)
}

// name returns the channel with a number that is in a row.
func (t *channelTable) name(ctx context.Context, c *conn, n int) (schoolbell.Channel, error) {
	known, err := t.get(ctx, c)
	if err != nil {
		return "", err
	}
	if name, ok := known.Name(n); ok {
		return name, nil
	}
	if known, err = t.read(ctx, c); err != nil {
		return "", err
	}
	name, ok := known.Name(n)
	if !ok {
		return "", fmt.Errorf("a row has the channel %d, which is not in the table of channels", n)
	}
	return name, nil
}

// Channels implements school.Store.
func (s School) Channels(ctx context.Context) (channels []schoolbell.Channel, err error) {
	err = s.DB.read(ctx, "list channels", func(c *conn) error {
		return c.each(ctx, listChannels, nil, func(scan func(...any) error) error {
			var name schoolbell.Channel
			err := scan(&name)
			channels = append(channels, name)
			return err
		})
	})
	return channels, err
}

// listChannels selects the names of all channels.
const listChannels = "SELECT name FROM channels ORDER BY id"
