package bullmq

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"schoolbell/bullmq/internal/cron"
	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// iteration has what the options of a scheduler's job contain about the next job.
type iteration struct {
	repetition
	options map[string]json.RawMessage
}

// decodeIteration decodes the stored options of a scheduler's job.
func decodeIteration(options string) (*iteration, error) {
	it := &iteration{}
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
	it.repetition = repetition{
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

// head returns the next job's options up to their closing brace, without what the script adds.
func (it *iteration) head(scheduler string, now time.Time) string {
	next := it.repetition
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
	given["repeat"] = next.encode()
	text, _ := wire.EncodeJSON(given) // of values that were decoded
	return string(text[:len(text)-1])
}

// errNoNext reports that a scheduler makes no further job.
var errNoNext = errors.New("no further job")

// next returns when the next job, with that name, runs, in ms. It is 0 if the script computes
// that.
func (it *iteration) next(now time.Time, repeat RepeatFunc, name string) (int64, error) {
	end := wire.FromMillis(it.End)
	if (it.Limit > 0 && it.Count+1 > it.Limit) || (!end.IsZero() && now.After(end)) {
		return 0, errNoNext
	}
	if it.Pattern == "" {
		return 0, nil
	}
	after := now
	if prev := wire.FromMillis(int64(wire.DecodeNumber(it.options["prevMillis"]))); prev.After(after) {
		after = prev
	}
	at, err := it.nextOfPattern(after, repeat, name)
	if err != nil {
		return 0, err
	}
	return wire.Millis(at), nil
}

// nextOfPattern returns the first run of a pattern after a time.
func (it *iteration) nextOfPattern(after time.Time, repeat RepeatFunc, name string) (time.Time, error) {
	if repeat != nil {
		at, err := repeat.next(after, it.schedule(), name)
		if err == nil && at.IsZero() {
			err = errNoNext
		}
		return at, err
	}
	pattern, err := cron.Draw(it.Pattern, rand.IntN)
	if err != nil {
		return time.Time{}, invalid("%w", err)
	}
	zone := time.Local // without a zone in the schedule, Node uses its own
	if it.TZ != "" {
		if zone, err = time.LoadLocation(it.TZ); err != nil {
			return time.Time{}, fmt.Errorf("time zone: %w", err)
		}
	}
	at, err := nextMatch(pattern, zone, after, wire.FromMillis(it.Start), wire.FromMillis(it.End))
	if err != nil {
		err = errNoNext
	}
	return at, err
}

// scheduleNext adds the job after a scheduler's job that is about to run. It is repeated while
// Redis is unavailable, because the schedule would end without it.
func (s *session) scheduleNext(job *Job) {
	scheduler := !job.mayRepeat()
	var err error
	if !scheduler {
		var next script.NextJob
		next, err = addNext(s, job, s.nextRepeatable)
		scheduler = err == nil && next.Number == 1
	}
	if scheduler {
		_, err = addNext(s, job, s.nextIteration)
		if err == nil && job.endsRepeatable() {
			err = errors.New("BullMQ 5 makes no further job for a key of three or four parts")
		}
	}
	if err != nil && !errors.Is(err, errNoNext) {
		s.report(fmt.Errorf("scheduler %s: no job after %s: %w", shortID(job.SchedulerID), shortID(job.ID), err))
	}
}

// addNext calls the script that adds the next job.
func addNext[S script.Script[script.NextJob]](s *session, job *Job, prepare func(*Job) (S, error)) (next script.NextJob, err error) {
	call, err := prepare(job)
	if err != nil {
		return next, err
	}
	_, end := startSpan(s.work, s.opts.Tracer, Span{
		Operation: SpanAdd, Queue: s.q.name, JobName: job.Name, SchedulerID: job.SchedulerID, Jobs: 1,
	}, nil)
	reply, err := s.store(job, "schedule the job after", call.Call())
	next = call.Reply(reply)
	end(SpanEnd{Err: err, JobID: next.ID})
	return next, err
}

func (w *Worker) nextIteration(job *Job) (next script.NextIteration, err error) {
	it, err := decodeIteration(job.rawOptions)
	if err != nil {
		return next, err
	}
	now := wire.FromMillis(wire.Millis(w.q.now()))
	at, err := it.next(now, w.opts.Repeat, job.Name)
	if err != nil {
		return next, err
	}
	o, dedup := &job.Options, ""
	if o.Deduplication != nil {
		dedup = o.Deduplication.ID
	}
	return script.NextIteration{
		Mode: w.q.mode, Now: wire.Millis(now), Scheduler: job.SchedulerID, JobID: job.ID, At: at,
		Head: it.head(job.SchedulerID, now), IDHead: jobIDHead(job.SchedulerID), Priority: o.Priority, LIFO: o.LIFO,
		DedupID: dedup, MaxEvents: w.q.opts.MaxEvents, Name: job.Name, Data: job.Data,
	}, nil
}
