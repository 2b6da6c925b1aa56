package notify

import (
	"context"
	"log/slog"
	"time"
)

// outage turns the failures of something tried again and again into two lines
// of log: one when it begins and one when it is over. It is not for concurrent use.
type outage struct {
	since time.Time
}

// note takes the result of the latest try of doing what. A failure that ctx's end explains is none.
func (o *outage) note(ctx context.Context, log *slog.Logger, what string, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && o.since.IsZero():
		o.since = time.Now()
		log.Error("cannot "+what+", will keep trying", "error", err)
	case err == nil && !o.since.IsZero():
		log.Info("can "+what+" again", "after", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}
