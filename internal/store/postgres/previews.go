package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// Previews implements ledger.Previews.
type Previews struct{ DB *DB }

// Preview implements ledger.Previews.
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
	var info schoolbell.CategoryInfo
	err = s.DB.read(ctx, "preview event", func(tx pgx.Tx) error {
		kept.Channels, info, err = checkNames(ctx, tx, ev, setUp)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	kept.Lane = info.Lane
	return &walk{WaveRef: ledger.WaveRef{EventID: kept.ID}, category: kept.Category, mandatory: info.Mandatory, audience: kept.Audience,
		channels: channelNames(kept.Channels)}, kept, nil
}

// chunk returns the next chunk, the last user that was looked at, and whether the walk is at its end.
func (s Previews) chunk(ctx context.Context, w *walk, users int) (found ledger.PreviewChunk, bound int64, done bool, err error) {
	err = s.DB.read(ctx, "preview event", func(tx pgx.Tx) error {
		found = ledger.PreviewChunk{}
		var step ledger.FanOutStep
		people, last, err := w.chunk(ctx, tx, users, &step)
		bound, done = last, step.Done
		if err != nil || len(people) == 0 {
			return err
		}
		c := chunk{wave: w, people: people, bound: last, done: done}
		rows, channels, err := c.decide(ctx, tx, users)
		if err != nil {
			return err
		}
		names, err := tx.Query(ctx, previewedPeople, people)
		if found.People, err = list(names, err, scanPerson); err != nil {
			return fmt.Errorf("read people: %w", err)
		}
		if found.Groups, err = rows.preview(channels, found.People); err != nil {
			return err
		}
		return c.addShared(ctx, tx, &found)
	})
	return found, bound, done, err
}

// previewedPeople selects what messages need of users by their numbers.
const previewedPeople = "SELECT seq, id, name, locale, timezone, quiet_hours FROM users WHERE seq = ANY ($1) ORDER BY seq"

// scanPerson reads what messages need of a user.
func scanPerson(r pgx.CollectableRow) (p ledger.Recipient, err error) {
	var quietHours string
	err = r.Scan(&p.Seq, &p.UserID, &p.Name, &p.Locale, &p.Timezone, &quietHours)
	p.QuietHours = row.QuietHours(quietHours)
	return p, err
}

// preview returns the groups of deliveries, with their users as indexes of people.
func (r *chunkRows) preview(channels []reach, people []ledger.Recipient) ([]ledger.PreviewGroup, error) {
	names := make(map[int16]schoolbell.Channel, len(channels))
	for _, ch := range channels {
		names[ch.channel] = ch.name
	}
	groups := make([]ledger.PreviewGroup, len(r.groups))
	for i, g := range r.groups {
		indexes, err := indexesOf(r.users[g.low-1:g.high], people)
		if err != nil {
			return nil, err
		}
		groups[i] = ledger.PreviewGroup{Channel: names[g.channel], Status: row.Status(int(g.status)), Reason: g.reason, People: indexes}
	}
	return groups, nil
}

// indexesOf returns where users are among people. Both are in the order of their numbers.
func indexesOf(users []int64, people []ledger.Recipient) ([]int, error) {
	indexes, at := make([]int, 0, len(users)), 0
	for _, user := range users {
		for at < len(people) && people[at].Seq < user {
			at++
		}
		if at == len(people) || people[at].Seq != user {
			return nil, fmt.Errorf("user %d is in the audience and not in the ledger", user)
		}
		indexes = append(indexes, at)
	}
	return indexes, nil
}

// Waiting implements ledger.Previews.
func (s Previews) Waiting(ctx context.Context, lane schoolbell.Lane) (waiting map[schoolbell.Channel]int, err error) {
	err = s.DB.read(ctx, "count what waits", func(tx pgx.Tx) error {
		waiting = map[schoolbell.Channel]int{}
		rows, err := tx.Query(ctx, countWaiting, named{"lane": lane, "most": row.MostWaiting})
		counts, err := list(rows, err, pgx.RowToStructByPos[struct {
			Channel schoolbell.Channel
			N       int
		}])
		for _, c := range counts {
			waiting[c.Channel] = c.N
		}
		return err
	})
	return waiting, err
}

// countWaiting counts the pending deliveries of the first @most open waves of a lane, by channel. Those of a batch in work are not in
// the totals: the whole batch counts.
var countWaiting = row.SQL(`
	WITH open AS MATERIALIZED (
		SELECT w.event_seq, w.n
		FROM waves w
		JOIN events e ON e.seq = w.event_seq
		WHERE w.queued_at IS NOT NULL AND w.finished_at IS NULL AND e.lane = @lane AND e.status NOT IN ({event_held}, {event_cancelled})
		ORDER BY w.event_seq, w.n
		LIMIT @most),
	waiting AS (
		SELECT t.channel, t.n
		FROM open o
		JOIN totals t ON t.event_seq = o.event_seq AND t.wave = o.n AND t.status = {pending}
		UNION ALL
		SELECT b.channel, b.size
		FROM open o
		JOIN batches b ON b.event_seq = o.event_seq AND b.wave = o.n AND b.in_work)
	SELECT c.name, sum(w.n)::bigint
	FROM waiting w
	JOIN channels c ON c.id = w.channel
	GROUP BY c.name
	HAVING sum(w.n) > 0`)
