package wire

import "encoding/json"

// JobState is where a job stands, as BullMQ calls it: waiting, active, delayed,
// prioritized, waiting-children, completed, failed or paused.
type JobState string

// Counts are the numbers of a queue's jobs by state.
type Counts map[JobState]int64

// Queue is a queue with the number of its jobs in each state.
type Queue struct {
	Name   string `json:"name"`
	Paused bool   `json:"paused"`
	Counts Counts `json:"counts" doc:"Jobs by state."`
}

// QueueList is all queues.
type QueueList struct {
	Queues []Queue `json:"queues"`
}

// QueuePaused says whether a queue is paused.
type QueuePaused struct {
	Name   string `json:"name"`
	Paused bool   `json:"paused"`
}

// Job is a job as BullMQ keeps it.
type Job struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	State        JobState        `json:"state"`
	Data         json.RawMessage `json:"data" doc:"A long value, or one that is not JSON, is a string of its first characters: 1,000 in lists, 50,000 otherwise. Other texts are cut in the same way."`
	Progress     json.RawMessage `json:"progress,omitempty"`
	ReturnValue  json.RawMessage `json:"return_value,omitempty"`
	FailedReason string          `json:"failed_reason,omitempty"`
	StackTrace   []string        `json:"stacktrace,omitempty" doc:"One entry for each failed attempt."`
	AttemptsMade int             `json:"attempts_made"`
	Attempts     int             `json:"attempts" doc:"Maximum number of attempts."`
	Stalled      int             `json:"stalled,omitempty" doc:"How often the worker of the job was lost."`
	Priority     int             `json:"priority,omitempty"`
	DelayMS      int64           `json:"delay_ms,omitempty"`
	Parent       string          `json:"parent,omitempty" doc:"Redis key of the parent job."`
	Worker       string          `json:"worker,omitempty" doc:"The worker that ran the job last."`
	CreatedAt    Time            `json:"created_at,omitzero"`
	ProcessedAt  Time            `json:"processed_at,omitzero"`
	FinishedAt   Time            `json:"finished_at,omitzero"`
	Logs         []string        `json:"logs,omitempty" doc:"The newest log lines, oldest first. Not in lists."`
}

// JobPage is one page of jobs, newest first.
type JobPage struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// CleanQueue asks for old jobs to be removed.
type CleanQueue struct {
	State     JobState `json:"state" doc:"State of the jobs to remove."`
	OlderThan int      `json:"older_than,omitempty" minimum:"0" maximum:"315360000" doc:"Minimum age in seconds, at most ten years. 0 removes jobs of any age."`
	Limit     int      `json:"limit,omitempty" minimum:"1" maximum:"10000" default:"1000" doc:"Maximum number of jobs."`
}

// Cleaned says how many jobs were removed.
type Cleaned struct {
	Removed int `json:"removed"`
}
