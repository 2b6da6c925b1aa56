package sqlite

import (
	"context"
	"fmt"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Previews implements ledger.Previews.
type Previews struct{ DB *DB }

// Preview implements ledger.Previews. It reads on the connections of readers, so nobody who writes waits for it.
func (s Previews) Preview(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, users int, visitor ledger.PreviewVisitor) error {
	if err := checkSizes(users, users); err != nil {
		return err
	}
	w, kept, err := s.begin(ctx, ev, setUp)
	if err != nil {
		return err
	}
	if err := visitor.Begin(kept); err != nil {
		return err
	}
	for done := false; !done; {
		found, bound, last, err := s.chunk(ctx, w, users)
		if err != nil {
			return err
		}
		w.cursor, done = bound, last
		if ev.Personalized() {
			if err := s.personalize(ctx, ev, found.People); err != nil {
				return err
			}
		}
		if len(found.People) > 0 {
			if err := visitor.Visit(found); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin returns the walk of an event that is not stored, and the event as it would be.
func (s Previews) begin(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel) (w *walk, kept *schoolbell.Event, err error) {
	if _, kept, err = row.NewEvent(ev); err != nil {
		return nil, nil, err
	}
	err = s.DB.read(ctx, "preview event", func(c *conn) error {
		kept.Channels, kept.Lane, err = Events(s).checkNames(ctx, c, ev, setUp)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return &walk{category: kept.Category, channels: kept.Channels, audience: kept.Audience}, kept, nil
}

// chunk returns the next chunk, the last user that was looked at, and whether the walk is at its end.
func (s Previews) chunk(ctx context.Context, w *walk, users int) (found ledger.PreviewChunk, bound int64, done bool, err error) {
	err = s.DB.readChunk(ctx, "preview event", func(c *conn) error {
		var step ledger.FanOutStep
		if bound, err = FanOuts(s).pick(ctx, c, w, users, &step); err != nil {
			return err
		}
		if done = step.Done; step.Users == 0 {
			return nil
		}
		if err := c.each(ctx, previewedPeople, nil, func(scan func(...any) error) error {
			var p ledger.Recipient
			var quietHours string
			err := scan(&p.Seq, &p.UserID, &p.Name, &p.Locale, &p.Timezone, &quietHours)
			p.QuietHours = row.QuietHours(quietHours)
			found.People = append(found.People, p)
			return err
		}); err != nil {
			return fmt.Errorf("read people: %w", err)
		}
		for _, name := range w.channels {
			groups, err := s.decide(ctx, c, w, name, len(found.People))
			if err != nil {
				return err
			}
			found.Groups = append(found.Groups, groups...)
		}
		return s.addShared(ctx, c, w, &found)
	})
	return found, bound, done, err
}

// previewedPeople selects what messages need of the people in chunk.
const previewedPeople = `
SELECT u.seq, u.id, u.name, u.locale, u.timezone, u.quiet_hours
FROM temp.chunk k
JOIN users u ON u.seq = k.user_seq
ORDER BY k.user_seq`

// decide returns how the deliveries of the people in chunk begin on a channel.
func (s Previews) decide(ctx context.Context, c *conn, w *walk, name schoolbell.Channel, people int) (groups []ledger.PreviewGroup, err error) {
	channel, err := s.DB.channels.asked(ctx, c, "channels", name)
	if err != nil {
		return nil, err
	}
	if status, ok := w.plain(channel); ok {
		all := ledger.PreviewGroup{Channel: name, Status: row.Status(status)}
		for i := range people {
			all.People = append(all.People, i)
		}
		return []ledger.PreviewGroup{all}, nil
	}
	person := 0
	err = c.each(ctx, selectReachable, args{"channel": channel, "category": string(w.category)}, func(scan func(...any) error) error {
		var status int
		var reason string
		if err := scan(&status, &reason); err != nil {
			return err
		}
		i := slices.IndexFunc(groups, func(g ledger.PreviewGroup) bool { return row.StatusNumber(g.Status) == status && g.Reason == reason })
		if i < 0 {
			i = len(groups)
			groups = append(groups, ledger.PreviewGroup{Channel: name, Status: row.Status(status), Reason: reason})
		}
		groups[i].People = append(groups[i].People, person)
		person++
		return nil
	})
	return groups, err
}

// selectReachable selects the status and the reason that a new delivery gets, for each person in chunk.
var selectReachable = row.SQL(reachable + `
SELECT ` + reachableStatus + `, coalesce(reason, '')
FROM people
ORDER BY user_seq`)

// Waiting implements ledger.Previews.
func (s Previews) Waiting(ctx context.Context, lane schoolbell.Lane) (waiting map[schoolbell.Channel]int, err error) {
	err = s.DB.read(ctx, "count what waits", func(c *conn) error {
		waiting = map[schoolbell.Channel]int{}
		return c.each(ctx, countWaiting, args{"lane": string(lane), "most": row.MostWaiting}, func(scan func(...any) error) error {
			var name schoolbell.Channel
			var n int
			err := scan(&name, &n)
			waiting[name] = n
			return err
		})
	})
	return waiting, err
}

// countWaiting counts the pending deliveries of the first @most open waves of a lane, by channel.
var countWaiting = row.SQL(`
WITH open AS MATERIALIZED (
	SELECT w.event_seq, w.n
	FROM waves w
	CROSS JOIN events e ON e.seq = w.event_seq
	WHERE w.queued_at IS NOT NULL
		AND w.finished_at IS NULL
		AND e.lane = @lane
		AND e.status NOT IN ({event_held}, {event_cancelled})
	ORDER BY w.event_seq, w.n
	LIMIT @most
)
SELECT c.name, sum(t.n)
FROM open o
CROSS JOIN totals t ON t.event_seq = o.event_seq
	AND t.wave = o.n
	AND t.status = {pending}
CROSS JOIN channels c ON c.id = t.channel
GROUP BY c.name
HAVING sum(t.n) > 0`)
