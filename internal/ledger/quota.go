package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// Quota is how many messages all workers together may send over a channel or a provider.
type Quota struct {
	Name        string  // of what is limited: at most one quota has it
	Rate        float64 // units per second; 0 for no limit
	Daily       int     // units in any 24 hours; 0 for no limit
	Monthly     int     // units in a calendar month (UTC); 0 for no limit
	UrgentShare int     // percent of all three that normal messages leave to urgent ones, 0 to schoolbell.MaxUrgentShare

	// PerMessage is how many units a message takes at most, such as the segments of a text message; 0 means 1. So many are
	// reserved for each message, and those that it did not take are returned.
	PerMessage int
}

// Limits reports whether the quota limits anything.
func (q Quota) Limits() bool { return q.Rate > 0 || q.Daily > 0 || q.Monthly > 0 }

// Units returns how many units are reserved for so many messages.
func (q Quota) Units(messages int) int { return messages * max(q.PerMessage, 1) }

// Period is a period for which a quota limits messages.
type Period string

// The periods.
const (
	PeriodDay   Period = "daily"
	PeriodMonth Period = "monthly"
)

// Reservation is the permission to send so many messages.
type Reservation struct {
	Messages  int // 0 if none may be sent now
	Used      int // units of both lanes that count for the daily limit, these included; 0 without that limit
	UsedMonth int // the same for the monthly limit

	// If Messages is less than what was asked for:
	NextIn  time.Duration // until a further call may succeed; at least a millisecond
	Reached Period        // whose limit is the reason; empty if it is the rate

	Hour int64 // in which the messages count, for Settle
}

// Forecast tells how long messages will take because of a quota.
type Forecast struct {
	After   time.Duration // until the last one may be sent, a year at most
	Reached Period        // whose limit makes them wait; empty if it is the rate alone
	Rate    float64       // units per second for the lane; 0 for no limit
}

// ChannelForecast tells how long the messages of a channel take because of its quota.
type ChannelForecast struct {
	Forecast
	Quota   Quota // in effect
	Waiting int   // messages of other events that wait to be sent in the same lane, about
}

// Quotas count what all workers send. They give permissions before messages are sent, so a
// crash can only lead to fewer messages than the quota allows.
type Quotas interface {
	// Reserve gives permission to send up to most messages of a lane now. With 0, it only reads. What is given never
	// exceeds the rate by more than two messages, or those of a quarter of a second if they are
	// more. The messages of all full hours that are not older than 24 hours, and of the present one, count for
	// the daily limit. Normal messages never use the urgent share of either, and leave at least one
	// message of what the rate allows at once to urgent ones. With PerMessage, the limits are in units, and the rate is never
	// exceeded by more than those of two messages.
	Reserve(ctx context.Context, quota Quota, lane schoolbell.Lane, most int) (Reservation, error)

	// Settle corrects a reservation of a lane to the number of units that were used. Unused
	// ones may be reserved again. Units that were used beyond the reservation make others wait longer.
	Settle(ctx context.Context, quota Quota, lane schoolbell.Lane, r Reservation, used int) error

	// Forecast tells how long so many units of a lane will take if nobody else uses the quota. It reserves nothing.
	Forecast(ctx context.Context, quota Quota, lane schoolbell.Lane, units int) (Forecast, error)
}
