package notify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// This file has the jobs of the pipeline: their names, ids, data and options. A job holds
// ids only; what it is about is in the ledger.

// eventJob is the job that fans a wave out, and finishes it when it runs the second time.
func (q *queues) eventJob(w ledger.QueuedWave) bullmq.JobSpec {
	opts := q.jobOptions(eventJobID(w.WaveRef))
	opts.Delay = max(0, w.StartIn.Truncate(time.Millisecond))
	return bullmq.JobSpec{Name: "event", Data: eventJobData{EventID: w.EventID, Wave: w.Wave}, Options: opts}
}

// batchJob is the job that delivers one batch, a child of its wave's job.
func (q *queues) batchJob(lane schoolbell.Lane, wave ledger.WaveRef, b ledger.Batch) bullmq.JobSpec {
	opts := q.jobOptions(batchJobID(b))
	opts.Parent = &bullmq.ParentRef{ID: eventJobID(wave), Queue: q.events(lane).QualifiedName()}
	opts.OnFailure = bullmq.IgnoreDependency
	return bullmq.JobSpec{Name: string(b.Channel), Data: batchJobData{EventID: b.EventID, Wave: b.Wave, Channel: b.Channel, Seq: b.Seq}, Options: opts}
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
	Wave    int    `json:"wave,omitempty"`
}

type batchJobData struct {
	EventID string             `json:"event_id"`
	Wave    int                `json:"wave,omitempty"`
	Channel schoolbell.Channel `json:"channel"`
	Seq     int                `json:"seq"`
}

// eventJobDataOf decodes the data of an event's job.
func eventJobDataOf(job *bullmq.Job) (data eventJobData, err error) {
	if err := json.Unmarshal(job.Data, &data); err != nil || !schoolbell.ValidID(data.EventID) || data.Wave < 0 {
		return eventJobData{}, errors.New("job data names no event")
	}
	return data, nil
}

// eventJobID is the id of the job that asked for the event, or else the event's id. Further waves have the event's
// id and their number.
func eventJobID(w ledger.WaveRef) string {
	if w.Wave == 0 {
		return cmp.Or(w.JobID, w.EventID)
	}
	return fmt.Sprintf("%s.w%d", w.EventID, w.Wave)
}

// eventRef names wave 0 of an event.
func eventRef(ev *schoolbell.Event) ledger.WaveRef {
	return ledger.WaveRef{EventID: ev.ID, JobID: ev.JobID}
}

// batchJobID begins with the event's id, whatever the id of the event's job.
func batchJobID(b ledger.Batch) string {
	return fmt.Sprintf("%s.%s.%d", eventJobID(waveOf(b)), b.Channel, b.Seq)
}

func waveOf(b ledger.Batch) ledger.WaveRef { return ledger.WaveRef{EventID: b.EventID, Wave: b.Wave} }

// keep turns a retention into what the queue understands.
func keep(d time.Duration) *bullmq.Keep {
	if d <= 0 {
		return &bullmq.Keep{None: true}
	}
	return &bullmq.Keep{Age: d}
}
