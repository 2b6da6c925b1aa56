// Package row holds what the rows of both store engines have in common: the
// numbers that stand for channels and statuses, and rules that are about stored
// rows but not about any SQL. The numbers are part of the schema: they may be
// added to and never changed.
package row

import (
	"fmt"
	"slices"

	"schoolbell"
)

// The states of a user's row.
const (
	UserLive    = 0 // a person
	UserGone    = 1 // deleted: nothing but the number, which deliveries have; the id is # and the number
	UserAwaited = 2 // named as a student by a guardian, not put yet
)

// The numbers of the statuses. From Sent on they are terminal.
const (
	Pending    = 0
	Sending    = 1
	Sent       = 2
	Failed     = 3
	Suppressed = 4
	Uncertain  = 5
	Cancelled  = 6
	Expired    = 7
)

// The numbers of channels that statements name: the inbox, and those on which several people may have one address.
const (
	InApp = 1
	Email = 2
	SMS   = 3
)

// The numbers of the states of addresses. Up to Good they are usable.
const (
	AddressUnverified = 0
	AddressGood       = 1
)

var (
	statuses = schoolbell.DeliveryStatuses() // index is the number
	outcomes = schoolbell.Outcomes()         // index+1 is the number; 0 is none
	states   = schoolbell.AddressStates()    // index is the number
)

// StatusNumber returns the number that stands for s in a row. A status that the
// domain does not know is a broken promise of our own code.
func StatusNumber(s schoolbell.DeliveryStatus) int { return mustIndex(statuses, s) }

// Status is the inverse of StatusNumber.
func Status(n int) schoolbell.DeliveryStatus { return statuses[n] }

// OutcomeNumber returns the number that stands for o in a row, or zero for none. A
// stronger outcome has a larger number.
func OutcomeNumber(o schoolbell.Outcome) int {
	if o == "" {
		return 0
	}
	return mustIndex(outcomes, o) + 1
}

// Outcome is the inverse of OutcomeNumber.
func Outcome(n int) schoolbell.Outcome {
	if n == 0 {
		return ""
	}
	return outcomes[n-1]
}

// StateNumber returns the number that stands for the state of an address.
func StateNumber(s schoolbell.AddressState) int { return mustIndex(states, s) }

// State is the inverse of StateNumber.
func State(n int) schoolbell.AddressState { return states[n] }

func mustIndex[T ~string](values []T, v T) int {
	i := slices.Index(values, v)
	if i < 0 {
		panic(fmt.Sprintf("row: unknown value %q", v))
	}
	return i
}

// Channels knows the channels of one ledger by number and by name. It is immutable.
type Channels struct {
	numbers map[schoolbell.Channel]int
	names   map[int]schoolbell.Channel
}

// NewChannels returns the channels with these names and numbers.
func NewChannels(numbers map[schoolbell.Channel]int) *Channels {
	c := &Channels{numbers: numbers, names: make(map[int]schoolbell.Channel, len(numbers))}
	for name, n := range numbers {
		c.names[n] = name
	}
	return c
}

// Number returns the number of a channel; ok is false if the ledger does not have it.
func (c *Channels) Number(name schoolbell.Channel) (n int, ok bool) {
	n, ok = c.numbers[name]
	return n, ok
}

// Name returns the channel with a number; ok is false if the ledger does not have it.
func (c *Channels) Name(n int) (name schoolbell.Channel, ok bool) {
	name, ok = c.names[n]
	return name, ok
}

// Count is how many rows of one wave and channel have one status and outcome.
type Count struct {
	Wave    int
	Channel schoolbell.Channel
	Status  int
	Outcome int
	Rows    int
}

// Open counts the deliveries of each wave that are not terminal.
func Open(counts []Count) map[int]int {
	open := map[int]int{}
	for _, c := range counts {
		if c.Status < Sent {
			open[c.Wave] += c.Rows
		}
	}
	return open
}

// Progress sums counts up. closed says that no further rows will come.
func Progress(counts []Count, closed bool) schoolbell.Progress {
	waves := map[int]map[schoolbell.Channel]schoolbell.ChannelProgress{}
	for _, c := range counts {
		if waves[c.Wave] == nil {
			waves[c.Wave] = map[schoolbell.Channel]schoolbell.ChannelProgress{}
		}
		p := waves[c.Wave][c.Channel]
		p.Add(Status(c.Status), Outcome(c.Outcome), c.Rows)
		waves[c.Wave][c.Channel] = p
	}
	return schoolbell.NewProgress(waves, closed)
}
