package repeat

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"schoolbell/bullmq/internal/cron"
	"schoolbell/bullmq/internal/wire"
)

// Iteration has what the options of a scheduler's job contain about the next job.
type Iteration struct {
	Repetition
	options map[string]json.RawMessage
}

// Decode decodes the stored options of a scheduler's job.
func Decode(options string) (*Iteration, error) {
	it := &Iteration{}
	if err := json.Unmarshal([]byte(options), &it.options); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	var raw struct {
		Every, Limit, StartDate, EndDate, Count json.RawMessage
		Pattern, TZ                             string
		Offset, Key                             json.RawMessage
	}
	if err := json.Unmarshal(it.options["repeat"], &raw); err != nil {
		return nil, fmt.Errorf("option repeat: %w", err)
	}
	whole := func(text json.RawMessage) int64 { return int64(wire.DecodeNumber(text)) }
	it.Repetition = Repetition{
		Every: whole(raw.Every), Pattern: raw.Pattern, TZ: raw.TZ, Limit: int(whole(raw.Limit)),
		Start: dateMillis(raw.StartDate), End: dateMillis(raw.EndDate), Key: raw.Key, Count: int(whole(raw.Count)),
	}
	if n, err := json.Number(raw.Offset).Int64(); err == nil {
		it.Offset = &n
	}
	return it, nil
}

// dateMillis decodes a date as Node stores it: milliseconds, or a text.
func dateMillis(raw json.RawMessage) int64 {
	if t, err := time.Parse(time.RFC3339, wire.DecodeText(raw)); err == nil {
		return wire.Millis(t)
	}
	return int64(wire.DecodeNumber(raw))
}

// Head returns the next job's options up to their closing brace, without what the script adds.
func (it *Iteration) Head(scheduler string, now time.Time) string {
	next := it.Repetition
	next.Count++
	given := map[string]json.RawMessage{"attempts": json.RawMessage("0")}
	for name, value := range it.options {
		given[name] = value
	}
	for _, name := range []string{"jobId", "delay", "prevMillis"} {
		delete(given, name)
	}
	given["timestamp"] = json.RawMessage(wire.FormatInt(wire.Millis(now)))
	given["repeatJobKey"] = wire.AppendString(nil, scheduler)
	given["repeat"] = next.Encode()
	text, _ := wire.EncodeJSON(given) // of values that were decoded
	return string(text[:len(text)-1])
}

// ErrNoNext reports that a scheduler makes no further job.
var ErrNoNext = errors.New("no further job")

// Strategy computes the first run after a time, zero if there is none.
type Strategy func(after time.Time) (time.Time, error)

// Next returns when the next job runs, in ms. It is 0 if the script computes that. A nil
// strategy reads the pattern as cron. There may be no further run: [ErrNoNext].
func (it *Iteration) Next(now time.Time, strategy Strategy) (int64, error) {
	end := wire.FromMillis(it.End)
	if (it.Limit > 0 && it.Count+1 > it.Limit) || (!end.IsZero() && now.After(end)) {
		return 0, ErrNoNext
	}
	if it.Pattern == "" {
		return 0, nil
	}
	after := now
	if prev := wire.FromMillis(int64(wire.DecodeNumber(it.options["prevMillis"]))); prev.After(after) {
		after = prev
	}
	if strategy == nil {
		strategy = it.nextMatch
	}
	at, err := strategy(after)
	if err == nil && at.IsZero() {
		err = ErrNoNext
	}
	if err != nil {
		return 0, err
	}
	return wire.Millis(at), nil
}

// nextMatch is the strategy of cron patterns.
func (it *Iteration) nextMatch(after time.Time) (at time.Time, err error) {
	pattern, err := cron.Draw(it.Pattern, rand.IntN)
	if err != nil {
		return at, err
	}
	zone := time.Local // without a zone in the schedule, Node uses its own
	if it.TZ != "" {
		if zone, err = time.LoadLocation(it.TZ); err != nil {
			return at, fmt.Errorf("time zone: %w", err)
		}
	}
	return NextMatch(pattern, zone, after, wire.FromMillis(it.Start), wire.FromMillis(it.End)), nil
}
