package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// This file creates the events that other programs ask for by adding a job to the queue of a lane. The data
// of the job are the event. Once the event is in the ledger they are its id, and the job is the event's job.

const (
	eventJobName  = "event"
	maxChosenID   = 255               // bytes of the id of a job
	maxReasons    = 10                // faults in the reason of a failed job
	requestWait   = 5 * time.Second   // until a request is tried again that could not be stored
	followWait    = time.Second       // between looks at an event in another lane
	keysOfJobs    = "queue"           // the scope of idempotency keys that are ids of jobs
	keysOfNumbers = "queue number"    // that of keys made from the numbers of jobs
	jobIDField    = "jobId"           // as the producer knows it
	keyField      = "Idempotency-Key" // as the ledger calls it
	auditAction   = "event.create"    // as in the API
)

// DecodeEvent decodes and checks the data of a job that asks for an event. The fingerprint is the same for two
// texts that mean the same. An error says what is wrong with the data.
type DecodeEvent func(data []byte) (ev *schoolbell.Event, fingerprint string, err error)

// requests creates events that jobs ask for.
type requests struct {
	decode DecodeEvent // nil if jobs may not ask for events
	create func(ctx context.Context, ev *schoolbell.Event, idem ledger.Idempotency) (*schoolbell.Event, bool, error)
	events ledger.Events
	log    *slog.Logger
}

func (p *Pipeline) requests() *requests {
	return &requests{decode: p.cfg.DecodeEvent, create: p.Create, events: p.ledger.Events, log: p.log}
}

// asksForEvent reports whether a job asks for an event: its data are an object without event_id.
func asksForEvent(name string, data []byte) bool {
	var fields map[string]json.RawMessage
	if name != eventJobName || json.Unmarshal(data, &fields) != nil || fields == nil {
		return false
	}
	_, has := fields["event_id"]
	return !has
}

// isAsked reports whether a job asked for an event.
func isAsked(ev *schoolbell.Event) bool { return ev.CreatedBy.Kind == schoolbell.ActorQueue }

// handle creates the event that a running job asks for, and makes the job name it. Its errors are those
// that the job ends with: a fault fails it for good; anything else costs no attempt, because only Redis has
// the request.
func (r *requests) handle(ctx context.Context, lane schoolbell.Lane, job *bullmq.Job) (*schoolbell.Event, error) {
	now := time.Now()
	at := time.Time{}
	if delay := job.Options.Delay; delay > 0 {
		at = job.Timestamp.Add(delay)
		if at.After(now) { // somebody has promoted it
			at = now
		}
	}
	ev, err := r.store(ctx, lane, job, at)
	switch {
	case isFault(err):
		return nil, bullmq.Unrecoverable(errors.New(reasonOf(err)))
	case err != nil && stopping(ctx):
		return nil, bullmq.Requeue()
	case err != nil:
		r.log.Warn("the event that a job asks for is not stored; the job runs again", "queue", job.Queue().Name(), "job", short(job.ID), "again_in", requestWait, "error", err)
		return nil, bullmq.DelayUntil(now.Add(requestWait))
	}
	return ev, nil
}

// store stores the event that a job asks for and makes the job name it. The event starts at the time given, if
// that is later than the event's own. Doing it again changes nothing.
func (r *requests) store(ctx context.Context, lane schoolbell.Lane, job *bullmq.Job, at time.Time) (*schoolbell.Event, error) {
	if r.decode == nil {
		return nil, schoolbell.Invalid("", "job data names no event, and QUEUE_PRODUCERS does not allow jobs to ask for one")
	}
	idem, err := requestKey(job.Queue().Name(), job.ID, job.Timestamp)
	if err != nil {
		return nil, err
	}
	if err := r.checkOwner(ctx, job.ID); err != nil {
		return nil, err
	}
	ev, fingerprint, err := r.decode(job.Data)
	if err != nil {
		return nil, err
	}
	idem.Fingerprint = fingerprint
	if at.After(ev.SendAt) {
		ev.SendAt = at
	}
	ev.Lane, ev.JobID = lane, job.ID
	ev.CreatedBy = schoolbell.Actor{Kind: schoolbell.ActorQueue, ID: job.Queue().Name()}
	stored, replayed, err := r.create(ledger.WithChange(ctx, requestChange(ev)), ev, idem)
	if err != nil {
		return nil, err
	}
	if err := r.events.ForgetJob(ctx, lane, job.ID, stored.ID); err != nil { // an earlier event may have had the same number
		return nil, err
	}
	if err := job.UpdateData(ctx, eventJobData{EventID: stored.ID}); err != nil && !errors.Is(err, bullmq.ErrJobNotFound) {
		return nil, fmt.Errorf("name event %s in its job: %w", stored.ID, err)
	}
	r.log.Info("event created for a job", "event", stored.ID, "queue", job.Queue().Name(), "job", short(job.ID), "replayed", replayed)
	return stored, nil
}

// checkOwner refuses the ids of the jobs of other events, which begin with the ids of the events: the other event
// would wait for this job.
func (r *requests) checkOwner(ctx context.Context, jobID string) error {
	id, _, _ := strings.Cut(jobID, ".")
	if !schoolbell.ValidID(id) {
		return nil
	}
	_, err := r.events.Event(ctx, id)
	switch {
	case err == nil:
		return schoolbell.Invalid(jobIDField, "belongs to event %s", id)
	case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
		return nil
	}
	return err
}

func requestChange(ev *schoolbell.Event) *ledger.Change {
	change := ledger.NewChange(schoolbell.AuditEntry{At: time.Now(), Actor: ev.CreatedBy, Action: auditAction, Target: schoolbell.Target{Kind: "event"}})
	change.Set("channels", ev.Channels)
	if ev.Category != "" {
		change.Set("category", ev.Category)
	}
	return change
}

// requestKey is the idempotency key of a job. An id that the producer chose is one. BullMQ lets nobody choose a number, and
// gives numbers again after Redis has lost its data. So a number stands for its job only together with the queue and
// the time of the job: enough to create no second event when the same job runs again.
func requestKey(queue, jobID string, added time.Time) (ledger.Idempotency, error) {
	if isNumber(jobID) {
		key := fmt.Sprintf("%s/%s@%d", queue, jobID, added.UnixMilli())
		return ledger.Idempotency{Scope: keysOfNumbers, Key: key}, nil
	}
	switch {
	case len(jobID) > maxChosenID:
		return ledger.Idempotency{}, schoolbell.Invalid(jobIDField, "must be at most %d bytes", maxChosenID)
	case !utf8.ValidString(jobID) || strings.ContainsFunc(jobID, unicode.IsControl):
		return ledger.Idempotency{}, schoolbell.Invalid(jobIDField, "must be text without control characters")
	case !bullmq.ValidJobID(jobID): // it could not be rebuilt
		return ledger.Idempotency{}, schoolbell.Invalid(jobIDField, "must be an id that BullMQ accepts")
	}
	return ledger.Idempotency{Scope: keysOfJobs, Key: jobID}, nil
}

// isNumber reports whether BullMQ has drawn the id of a job from its counter.
func isNumber(id string) bool {
	return len(id) < 20 && strings.Trim(id, "0123456789") == "" && (id == "0" || !strings.HasPrefix(id, "0"))
}

// isFault reports whether a request is wrong, so that it will not do to try it again.
func isFault(err error) bool {
	switch schoolbell.CodeOf(err) {
	case schoolbell.CodeInvalid, schoolbell.CodeTooLarge, schoolbell.CodeNotFound: // not found: the event of the key was removed
		return true
	}
	return false
}

// reasonOf names the faults of a request as its producer knows them.
func reasonOf(err error) string {
	faults := schoolbell.FaultsOf(err)
	var texts []string
	for _, f := range faults[:min(len(faults), maxReasons)] {
		field, message := f.Field, f.Message
		if field == keyField {
			field, message = jobIDField, "was used before for a different event"
		}
		if field != "" {
			message = field + ": " + message
		}
		texts = append(texts, short(message))
	}
	if more := len(faults) - maxReasons; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// follow is a run of a job whose event has another job. If a job asked for the event, it shows the event's progress
// and its result.
func (f *fanOut) follow(ctx context.Context, job *bullmq.Job, ev *schoolbell.Event) (any, error) {
	if !isAsked(ev) {
		return nil, bullmq.Unrecoverable(fmt.Errorf("the event is in the %s lane, its job in the queue of the %s lane", ev.Lane, f.lane))
	}
	progress, err := f.events.Progress(ctx, ev.ID)
	if err != nil {
		return nil, err
	}
	if err := job.UpdateProgress(ctx, progress); err != nil && !errors.Is(err, bullmq.ErrJobNotFound) {
		return nil, err
	}
	f.refund(ctx, job) // the event's own job counts
	if ev.Status.Terminal() {
		return ledger.Summary{EventID: ev.ID, Status: ev.Status, Progress: progress, Finished: true}, nil
	}
	next := time.Now().Add(followWait)
	if ev.SendAt.After(next) {
		next = ev.SendAt
	}
	return nil, bullmq.DelayUntil(next)
}
