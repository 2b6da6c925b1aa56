// Package outage logs the failures of something that is tried again and again: one
// line when an outage begins and one when it is over.
package outage

import (
	"context"
	"log/slog"
	"time"
)

// Log is the state of one outage. Its zero value is ready. It is not for concurrent use.
type Log struct {
	since time.Time
}

// Note takes the result of the latest attempt to do what, and logs at the given level that
// an outage begins. A failure that ctx's end explains is none.
func (l *Log) Note(ctx context.Context, log *slog.Logger, level slog.Level, what string, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && l.since.IsZero():
		l.since = time.Now()
		log.Log(ctx, level, "cannot "+what+", will keep trying", "error", err)
	case err == nil && !l.since.IsZero():
		log.Info("can "+what+" again", "after", time.Since(l.since).Round(time.Millisecond))
		l.since = time.Time{}
	}
}
