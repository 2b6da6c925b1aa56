package bullmq

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell/bullmq/internal/cron"
	"schoolbell/bullmq/internal/repeat"
	"schoolbell/bullmq/internal/script"
	"schoolbell/bullmq/internal/wire"
)

// ErrScheduleOver reports that a schedule has no run left.
var ErrScheduleOver = errors.New("bullmq: the schedule has no run left")

// UpsertScheduler creates a scheduler, or changes the one with that id. The id may be any
// text, also with colons. It adds the job of the next run and returns it. When a worker
// starts a job, it adds the following one, so no jobs pile up while no worker is running.
// Changes apply from the returned job on; a job that a worker is running is not changed.
//
// Errors are [ErrInvalid] and [ErrScheduleOver] before anything is sent, and a
// [*ScriptError] with [CodeSchedulerCollision] or [CodeSchedulerBusy].
func (q *Queue) UpsertScheduler(ctx context.Context, id string, s Schedule, t JobTemplate) (job *Job, err error) {
	now := wire.FromMillis(wire.Millis(q.now()))
	if err := s.check(id, now); err != nil {
		return nil, err
	}
	t.Name = cmp.Or(t.Name, id)
	first, err := q.firstRun(id, s, now, t.Name)
	if err != nil {
		return nil, err
	}
	t.Options = q.withDefaults(t.Options)
	data, err := t.encode()
	if err != nil {
		return nil, err
	}
	if s.Pattern != "" && s.TZ == "" && q.opts.Repeat == nil {
		s.TZ = "UTC"
	}
	o := &t.Options
	stored := repeat.Repetition{Every: s.Every.Milliseconds(), Pattern: s.Pattern, TZ: s.TZ, Limit: s.Limit, Count: 1}
	stored.Start, stored.End = wire.OptionalMillis(s.Start), wire.OptionalMillis(s.End)
	if s.Offset > 0 {
		offset := s.Offset.Milliseconds()
		stored.Offset = &offset
	}
	ctx, trace, end := q.traceAdd(ctx, Span{Operation: SpanAdd, JobName: t.Name, SchedulerID: id, Jobs: 1})
	defer func() { end(addEnd(job, err)) }()
	template := templateOptions(o)
	o.carry(trace) // the jobs do, not the template
	head := appendMember(templateOptions(o), "timestamp", wire.FormatInt(wire.Millis(now)))
	head = appendMember(head, "repeatJobKey", string(wire.AppendString(nil, id)))
	head = appendMember(head, "repeat", string(stored.Encode()))

	next, err := run(ctx, q, script.UpsertScheduler{
		Mode: q.mode, Now: wire.Millis(now), ID: id, Every: stored.Every, At: wire.OptionalMillis(first), Offset: s.Offset.Milliseconds(),
		Start: stored.Start, Name: t.Name, Data: data, Template: template + "}", Head: head, IDHead: repeat.JobIDHead(id),
		Priority: o.Priority, LIFO: o.LIFO, MaxEvents: q.opts.MaxEvents, SchedulerFields: stored.Fields(),
	})
	if err != nil {
		return nil, err
	}
	if err := refusal(next.Refusal, "schedule", id, ""); err != nil {
		return nil, err
	}
	return &Job{
		ID: next.ID, Name: t.Name, Data: []byte(cmp.Or(string(data), "{}")), Options: decodeOptions(next.Options),
		Delay: time.Duration(next.Delay) * time.Millisecond, Priority: o.Priority, Timestamp: now, SchedulerID: id, q: q,
	}, nil
}

// check refuses what the protocol cannot store, and finds the first match of a pattern.
func (s *Schedule) check(id string, now time.Time) error {
	switch {
	case id == "" || !utf8.ValidString(id):
		return invalid("scheduler id %q: must be a text that is not empty", id)
	case (s.Every == 0) == (s.Pattern == ""):
		return invalid("scheduler %q: either Every or Pattern", id)
	case s.Every < 0 || (s.Every > 0 && s.Every < time.Millisecond):
		return invalid("scheduler %q: Every %v is shorter than a millisecond", id, s.Every)
	case s.Limit < 0:
		return invalid("scheduler %q: Limit %d is negative", id, s.Limit)
	case s.Immediately && !s.Start.IsZero():
		return invalid("scheduler %q: Immediately and Start exclude one another", id)
	case s.Offset < 0 || (s.Offset > 0 && s.Offset >= s.Every):
		return invalid("scheduler %q: Offset %v is not less than Every", id, s.Offset)
	case int64(s.Limit) > maxCount:
		return invalid("scheduler %q: Limit %d is more than %d", id, s.Limit, maxCount)
	case !s.Start.IsZero() && wire.Millis(s.Start) <= 0:
		return invalid("scheduler %q: Start %v is before 1970", id, s.Start)
	case s.Start.After(lastTime) || s.End.After(lastTime):
		return invalid("scheduler %q: Start %v, End %v: the year 9999 is the last", id, s.Start, s.End)
	case !s.End.IsZero() && !s.End.After(now):
		return invalid("scheduler %q: End %v is over", id, s.End)
	case !s.End.IsZero() && s.End.Before(s.Start):
		return invalid("scheduler %q: End %v is before Start %v", id, s.End, s.Start)
	}
	if err := checkText("time zone", s.TZ); err != nil { // stored without effect beside Every
		return err
	}
	return checkText("pattern", s.Pattern)
}

// firstRun returns the first run of a schedule with a pattern, by the queue's own function or as
// a cron pattern. It is zero without a pattern.
func (q *Queue) firstRun(id string, s Schedule, now time.Time, name string) (time.Time, error) {
	switch {
	case s.Pattern == "":
		return time.Time{}, nil
	case q.opts.Repeat == nil:
		return s.firstMatch(id, now)
	}
	at, err := q.opts.Repeat.next(now, s, name)
	if err == nil && at.IsZero() {
		err = ErrScheduleOver
	}
	return at, err
}

// firstMatch checks a cron pattern and finds its first match.
func (s *Schedule) firstMatch(id string, now time.Time) (first time.Time, err error) {
	if s.TZ == "Local" {
		return first, invalid("scheduler %q: time zone Local is another on each machine", id)
	}
	zone, err := time.LoadLocation(s.TZ)
	if err != nil {
		return first, invalid("scheduler %q: time zone %q is not known", id, s.TZ)
	}
	if cron.HasDraw(s.Pattern) {
		return first, invalid("scheduler %q: cron pattern %q: H means another time whenever a run is computed", id, s.Pattern)
	}
	pattern, err := cron.Parse(s.Pattern)
	if err != nil {
		return first, invalid("%w", err)
	}
	if pattern.Foreign != "" {
		return first, invalid("scheduler %q: cron pattern %q: %s, which BullMQ refuses", id, s.Pattern, pattern.Foreign)
	}
	if s.Immediately {
		return now, nil
	}
	if first = repeat.NextMatch(pattern, zone, now, s.Start, s.End); first.IsZero() {
		return first, ErrScheduleOver
	}
	return first, nil
}

// encode checks a template whose options are filled, and encodes its data, empty for none.
func (t *JobTemplate) encode() (data []byte, err error) {
	o := &t.Options
	if o.ID != "" || o.Delay != 0 || o.Parent != nil || !o.Timestamp.IsZero() || o.Deduplication != nil {
		return nil, invalid("a scheduler's template cannot have ID, Delay, Timestamp, Parent or Deduplication")
	}
	if err := checkText("name", t.Name); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if t.Data == nil {
		return nil, nil
	}
	if data, err = encodeValue(t.Data); err != nil {
		return nil, err
	}
	if o.SizeLimit > 0 && len(data) > o.SizeLimit {
		return nil, invalid("data has %d bytes, the limit is %d", len(data), o.SizeLimit)
	}
	return data, nil
}

// templateOptions returns stored options without their closing brace. Attempts that are not
// set are left out, because readers would take them for a setting of the template.
func templateOptions(o *JobOptions) string {
	text := strings.TrimSuffix(string(encodeOptions(o)), "}")
	if o.Attempts > 0 {
		return text
	}
	return "{" + strings.TrimPrefix(strings.TrimPrefix(text, `{"attempts":0`), ",")
}

// appendMember adds a member to a JSON object that is not closed yet.
func appendMember(object, name, value string) string {
	if object != "{" {
		object += ","
	}
	return object + `"` + name + `":` + value
}
