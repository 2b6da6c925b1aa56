package script

import "schoolbell/bullmq/internal/wire"

// Script is a call whose reply is read as an R.
type Script[R any] interface {
	// Call returns the script with its arguments in the order of its ARGV.
	Call() Call
	// Reply reads what the script returned. What is not of the form that the script's header
	// states counts as zero.
	Reply(reply any) R
}

// Worker describes the worker for which a script starts jobs.
type Worker struct {
	Lock     int64  // how long a lock holds, ms
	Max      int64  // of its limiter, 0 for none
	Heed     bool   // without a limiter: keep to limits that were set by hand
	Duration int64  // of its limiter's window, ms
	Name     string // empty for none
}

func (w Worker) args() []any {
	limit := wire.Optional(w.Max)
	if w.Heed && w.Max == 0 {
		limit = "heed"
	}
	return []any{w.Lock, limit, wire.Optional(w.Duration), w.Name}
}

// Dedup sets how a job is deduplicated. The zero value means that it is not.
type Dedup struct {
	ID    string
	TTL   int64  // ms
	Modes string // letters: e extend, r replace, k keep the last, s reschedule
}

func (d Dedup) args() []any {
	if d.ID == "" {
		return []any{"", "", ""}
	}
	return []any{d.ID, d.TTL, d.Modes}
}

// flag encodes a boolean for a script.
func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}
