// Package row holds what the rows of both store engines have in common: the
// numbers that stand for channels and statuses, and rules that are about stored
// rows but not about any SQL. The numbers are part of the schema: they may be
// added to and never changed.
package row

import (
	"fmt"

	"schoolbell"
)

// The states of a user's row.
const (
	UserLive    = 0 // a person
	UserGone    = 1 // deleted: the bare id, kept for the deliveries that name it
	UserAwaited = 2 // named as a student by a guardian, not put yet
)

// The numbers of the statuses that SQL texts compare with. From Sent on they are terminal.
const (
	Pending    = 0
	Sending    = 1
	Sent       = 2
	Delivered  = 3
	Failed     = 4
	Suppressed = 5
	Uncertain  = 6
	Cancelled  = 7
	Expired    = 8
)

// InApp is the number of the inbox.
const InApp = 1

var (
	statuses = schoolbell.DeliveryStatuses() // index is the number
	channels = schoolbell.Channels()         // index+1 is the number
)

// StatusNumber returns the number that stands for s in a row. A status that the
// domain does not know is a broken promise of our own code.
func StatusNumber(s schoolbell.DeliveryStatus) int {
	for i, known := range statuses {
		if known == s {
			return i
		}
	}
	panic(fmt.Sprintf("row: unknown delivery status %q", s))
}

// Status is the inverse of StatusNumber.
func Status(n int) schoolbell.DeliveryStatus { return statuses[n] }

// ChannelNumber returns the number that stands for c in a row, or zero for the empty channel.
func ChannelNumber(c schoolbell.Channel) int {
	if c == "" {
		return 0
	}
	for i, known := range channels {
		if known == c {
			return i + 1
		}
	}
	panic(fmt.Sprintf("row: unknown channel %q", c))
}

// Channel is the inverse of ChannelNumber.
func Channel(n int) schoolbell.Channel {
	if n == 0 {
		return ""
	}
	return channels[n-1]
}

// Count is how many rows of one channel have one status, both as numbers.
type Count struct{ Channel, Status, Rows int }

// Progress sums counts up. closed says that no further rows will come.
func Progress(counts []Count, closed bool) schoolbell.Progress {
	sums := map[schoolbell.Channel]schoolbell.ChannelProgress{}
	for _, c := range counts {
		p := sums[Channel(c.Channel)]
		p.Add(Status(c.Status), c.Rows)
		sums[Channel(c.Channel)] = p
	}
	return schoolbell.NewProgress(sums, closed)
}
