package notify

import (
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// This file has the jobs of the pipeline: their names, ids, data and options. A job holds
// ids only; what it is about is in the ledger.

// eventJob is the job that fans an event out, and closes it when it runs the second time.
func (q *queues) eventJob(ev ledger.QueuedEvent) bullmq.JobSpec {
	opts := q.jobOptions(ev.ID)
	opts.Delay = max(0, ev.SendIn.Truncate(time.Millisecond))
	return bullmq.JobSpec{Name: "event", Data: eventJobData{EventID: ev.ID}, Options: opts}
}

// batchJob is the job that delivers one batch, a child of its event's.
func (q *queues) batchJob(b ledger.Batch) bullmq.JobSpec {
	opts := q.jobOptions(batchJobID(b))
	opts.Parent = &bullmq.ParentRef{ID: b.EventID, Queue: q.events.QualifiedName()}
	opts.OnFailure = bullmq.IgnoreDependency
	return bullmq.JobSpec{Name: string(b.Channel), Data: batchJobData{EventID: b.EventID, Channel: b.Channel, Seq: b.Seq}, Options: opts}
}

func (q *queues) jobOptions(id string) bullmq.JobOptions {
	return bullmq.JobOptions{
		ID:               id,
		Attempts:         q.cfg.attempts(),
		Backoff:          &bullmq.Backoff{Type: backoffStrategy, Delay: q.cfg.Backoff},
		RemoveOnComplete: keep(q.cfg.KeepCompleted),
		RemoveOnFail:     keep(q.cfg.KeepFailed),
	}
}

// eventJobData and batchJobData are all that a queue ever holds of an event: ids.
type eventJobData struct {
	EventID string `json:"event_id"`
}

type batchJobData struct {
	EventID string             `json:"event_id"`
	Channel schoolbell.Channel `json:"channel"`
	Seq     int                `json:"seq"`
}

func batchJobID(b ledger.Batch) string {
	return fmt.Sprintf("%s.%s.%d", b.EventID, b.Channel, b.Seq)
}

// keep turns a retention into what the queue understands.
func keep(d time.Duration) *bullmq.Keep {
	if d <= 0 {
		return &bullmq.Keep{None: true}
	}
	return &bullmq.Keep{Age: d}
}
