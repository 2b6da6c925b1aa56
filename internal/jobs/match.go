package jobs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"schoolbell/bullmq"
)

// MostLooked is how many jobs of a state a filter looks through.
const MostLooked = 1000

const lookedPage = 100

// Found is what a filter has found.
type Found struct {
	Jobs   []*bullmq.Job
	Looked int // jobs that were looked through, the newest of the state
}

// Match finds the jobs of a state that have a text in their name, id, data or reason of failure, in upper or lower case, among the newest
// 1,000. An empty text matches all of these.
func Match(ctx context.Context, q *bullmq.Queue, state bullmq.State, text string) (found Found, err error) {
	text = strings.ToLower(text)
	seen := map[string]bool{} // jobs that are added meanwhile move others to the next page
	for offset := int64(0); offset < MostLooked; offset += lookedPage {
		page, err := q.Jobs(ctx, bullmq.JobsOptions{States: []bullmq.State{state}, Offset: offset, Limit: lookedPage})
		if err != nil {
			return found, err
		}
		for _, j := range page {
			if seen[j.ID] {
				continue
			}
			seen[j.ID] = true
			if has(j, text) {
				found.Jobs = append(found.Jobs, j)
			}
		}
		found.Looked = len(seen)
		if len(page) < lookedPage {
			break
		}
	}
	return found, nil
}

// has reports whether a job has a text, which is in lower case.
func has(j *bullmq.Job, text string) bool {
	return text == "" || bytes.Contains(bytes.ToLower(j.Data), []byte(text)) ||
		slices.ContainsFunc([]string{j.ID, j.Name, j.FailedReason}, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}

// Each does something with each of jobs, and returns with how many that was possible: not with those that are gone, that a worker is running
// or whose state has changed. It ends at the first other error.
func Each(ctx context.Context, all []*bullmq.Job, do func(ctx context.Context, q *bullmq.Queue, id string) error) (done int, err error) {
	for _, j := range all {
		err := do(ctx, j.Queue(), j.ID)
		_, refused := errors.AsType[*bullmq.ScriptError](err)
		switch {
		case err == nil:
			done++
		case refused, errors.Is(err, bullmq.ErrJobNotFound), errors.Is(err, bullmq.ErrJobLocked):
		default:
			return done, err
		}
	}
	return done, nil
}
