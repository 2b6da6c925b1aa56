package bullmq

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The strategies that every worker knows.
const (
	backoffFixed       = "fixed"
	backoffExponential = "exponential"
)

// errUnknownBackoff fails a job without a further attempt, because its producer relies on a
// strategy that this worker does not have.
var errUnknownBackoff = errors.New("unknown backoff strategy")

// backoff computes the wait after the nth failure (n from 1). A negative wait means that there
// is no further attempt.
func (w *Worker) backoff(n int, job *Job, cause error) (time.Duration, error) {
	b := job.Options.Backoff
	if b == nil {
		return 0, nil
	}
	switch kind := b.kind(); kind {
	case backoffFixed:
		return jittered(float64(b.Delay.Milliseconds()), b.Jitter), nil
	case backoffExponential:
		ms := math.Round(math.Pow(2, float64(n-1)) * float64(b.Delay.Milliseconds()))
		return jittered(ms, b.Jitter), nil
	default:
		f := w.opts.Backoffs[kind]
		if f == nil {
			f = w.opts.Backoff
		}
		if f == nil {
			return 0, fmt.Errorf("%w %q", errUnknownBackoff, kind)
		}
		return f(n, *b, cause, job), nil
	}
}

// maxBackoff keeps due times within the range of scores.
const maxBackoff = 10 * 365 * 24 * time.Hour

// jittered makes the last part of ms random.
func jittered(ms, jitter float64) time.Duration {
	if jitter > 0 {
		jitter = min(jitter, 1)
		ms = math.Floor(rand.Float64()*ms*jitter + ms*(1-jitter))
	}
	if ms > float64(maxBackoff.Milliseconds()) {
		return maxBackoff
	}
	return time.Duration(ms) * time.Millisecond
}
