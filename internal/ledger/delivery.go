package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// DeliveryCursor is a place in an event's deliveries.
type DeliveryCursor struct {
	Wave    int
	Channel schoolbell.Channel
	Seq     int64 // the user's number
}

// EventReports say how an event went. Each method is one transaction; implementations are safe for concurrent use.
type EventReports interface {
	// FailedReasons counts the deliveries of an event that failed or came back, by channel, outcome and reason, the most
	// frequent first, up to limit. CodeNotFound if there is no such event.
	FailedReasons(ctx context.Context, eventID string, limit int) ([]FailedReason, error)

	// WaveTimes returns the waves of an event in order, the event itself first; CodeNotFound if there is no such event.
	WaveTimes(ctx context.Context, eventID string) ([]WaveTimes, error)
}

// FailedReason counts deliveries that failed for the same reason, as the provider has told it.
type FailedReason struct {
	Channel schoolbell.Channel
	Outcome schoolbell.Outcome // bounced or complained; empty for those that were not sent
	Reason  string
	Count   int
}

// WaveTimes says when a wave was started, how far it was and when it ended. Times are zero before.
type WaveTimes struct {
	Number     int // 0 for the event itself
	Notice     schoolbell.Notice
	StartsAt   time.Time // before which it is not queued; zero for at once
	QueuedAt   time.Time // when it got its job
	HalfAt     time.Time // when half of its batches were done; zero if it has none
	FinishedAt time.Time
}
