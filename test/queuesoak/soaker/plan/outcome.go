package plan

import (
	"encoding/json"
	"fmt"

	"schoolbell/bullmq"
)

// Data is the job's payload.
func (j Job) Data() string { return fmt.Sprintf(`{"id":%q,"kind":%q}`, j.ID, j.Kind) }

// Key is the job's full key in Redis.
func (j Job) Key() string { return "bull:" + j.Queue + ":" + j.ID }

// Reason is what an attempt fails with.
func (j Job) Reason(attempt int) string {
	return fmt.Sprintf("attempt %d of %s was to fail", attempt, j.ID)
}

// Result is what a job returns: who it is, the attempt that succeeded, and what its children left it.
type Result struct {
	ID       string                     `json:"id"`
	Attempt  int                        `json:"attempt"`
	Children map[string]json.RawMessage `json:"children,omitempty"`
	Ignored  map[string]string          `json:"ignored,omitempty"`
}

// Outcome is how a job ends.
type Outcome struct {
	State    bullmq.State
	Attempts int
	Value    string // what it returned, as JSON
	Reason   string // what it failed with
}

// Outcome is how the job must end, whatever happens meanwhile.
func (j Job) Outcome() Outcome {
	if j.Kind == Fatal {
		return Outcome{State: bullmq.StateFailed, Attempts: 1, Reason: "child " + Of(j.Parts[0]).Key() + " failed"}
	}
	if allowed := max(j.Options.Attempts, 1); j.Fails >= allowed {
		return Outcome{State: bullmq.StateFailed, Attempts: allowed, Reason: j.Reason(allowed)}
	}
	result := Result{ID: j.ID, Attempt: j.Fails + 1, Children: map[string]json.RawMessage{}, Ignored: map[string]string{}}
	for _, id := range j.Parts {
		child := Of(id)
		switch end := child.Outcome(); {
		case end.State == bullmq.StateCompleted:
			result.Children[child.Key()] = json.RawMessage(end.Value)
		case child.Options.OnFailure == bullmq.IgnoreDependency:
			result.Ignored[child.Key()] = end.Reason
		}
	}
	value, err := json.Marshal(result)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return Outcome{State: bullmq.StateCompleted, Attempts: result.Attempt, Value: string(value)}
}
