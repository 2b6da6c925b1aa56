// Package ledger is what the pipeline and the stores agree on: the transactions by
// which events become deliveries and deliveries get their outcomes, and the types
// that cross between the two. It has promises only; internal/store keeps them,
// internal/notify relies on them, and storetest checks them.
package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// Stores are what the pipeline needs of a ledger: the only truth about events,
// batches and deliveries. Every method is one transaction. All clocks are the
// database's. Implementations are safe for concurrent use by many goroutines
// and many processes; storetest holds them to every promise made here.
type Stores struct {
	Events     Events
	Changes    Changes
	Waves      Waves
	FanOuts    FanOuts
	Deliveries Deliveries
	Receipts   Receipts
	Leases     Leases
	Channels   Channels
	Quotas     Quotas
	Digests    Digests
	Previews   Previews
	Traffic    Traffic
}

// Channels are the ways of reaching people that the ledger knows.
type Channels interface {
	// PutChannels adds the channels that the ledger does not have, and changes those that
	// it has otherwise. It removes none. It knows schoolbell.Channels from the start.
	PutChannels(ctx context.Context, channels []ChannelInfo) error
}

// Events are the ledger's events and their states.
type Events interface {
	// CreateEvent stores ev, whose ID, CreatedAt and Status the caller set, with its wave 0,
	// as not yet queued. Channels that are nil become those of the category that are among
	// setUp; if none is, that is a CodeInvalid fault of "channels".
	// If idem.Key was used before in idem.Scope with the same fingerprint it
	// stores nothing and returns the earlier event and replayed true; with
	// another fingerprint it returns CodeInvalid with Field "Idempotency-Key".
	// The event's Lane is that of its category at this moment, whatever ev says. Its JobID is that of
	// ev if ev has the same Lane, that of the queue with the job, and else empty.
	// A category, channels, and groups and users of the audience that the ledger does not know are
	// CodeInvalid faults, each with its field ("audience.exclude.users[0]"); nothing is stored then.
	// So are people of Personal ("personal[3].user").
	CreateEvent(ctx context.Context, ev *schoolbell.Event, setUp []schoolbell.Channel, idem Idempotency) (stored *schoolbell.Event, replayed bool, err error)

	// CreateEvents does for each of the events, in order, what CreateEvent does for one, in one
	// transaction. A fault of an event is in its result and does not stop the others; an error
	// means that nothing was stored. An event that has Faults is only looked for by its key; if
	// there is none under it, or that of another request, the Faults are its result.
	// The changes of the events are stored with them; one that ctx carries is not.
	CreateEvents(ctx context.Context, events []NewEvent, setUp []schoolbell.Channel) ([]CreatedEvent, error)

	// EventByKey returns the event that was created under idem.Key, and false if
	// none was; with another fingerprint the same error as CreateEvent.
	EventByKey(ctx context.Context, idem Idempotency) (ev *schoolbell.Event, found bool, err error)

	// Event returns the event; CodeNotFound if there is none.
	Event(ctx context.Context, id string) (*schoolbell.Event, error)

	// ForgetJob empties the JobID of the events that have jobID and are in lane, except that of
	// one event (empty for none). Their jobs have their own ids from then on.
	ForgetJob(ctx context.Context, lane schoolbell.Lane, jobID, except string) error

	// Progress counts the event's deliveries; CodeNotFound if there is no such event.
	Progress(ctx context.Context, id string) (schoolbell.Progress, error)

	// CancelEvent makes a non-terminal event cancelled and its pending deliveries
	// cancelled, at once and for good; rows claimed at this moment keep their
	// lease and get the outcome of their attempt. Waves that have not started never
	// start. Cancelling a cancelled event changes nothing; a completed one is
	// CodeConflict; an unknown one CodeNotFound.
	CancelEvent(ctx context.Context, id string) (*schoolbell.Event, error)

	// ReleaseEvent makes a held event one that is sent from where it was: scheduled, queued or
	// processing. Its unfinished waves count as queued, except those that start later and were not walked.
	// An event that is not held is CodeConflict; an unknown one CodeNotFound.
	ReleaseEvent(ctx context.Context, id string) (*schoolbell.Event, error)

	// ReleaseEvents does the same with every held event. If there are not as many as the caller knows of, that is
	// CodeConflict and none is released.
	ReleaseEvents(ctx context.Context, held int) error

	// RetryFailed makes the failed and the bounced deliveries of an event whose started
	// waves are walked pending again, with no attempts spent and no outcome, reopens their
	// batches and waves and, if there were any, makes a completed event processing. It
	// returns how many rows. A filter narrows it to some of them. A cancelled event is CodeConflict; an expired or
	// held one too; an unknown one CodeNotFound, and a channel that is none CodeInvalid.
	RetryFailed(ctx context.Context, id string, only schoolbell.RetryFilter) (int, error)
}

// Waves are the walks of events over their audiences. A wave is queued once it has its
// job, and finished when it is walked and each of its deliveries is terminal.
type Waves interface {
	// AddWave adds a further wave to an event and returns it with its number. A cancelled,
	// expired or held event, and more than schoolbell.MaxWaves, are CodeConflict; an unknown event is
	// CodeNotFound; an unknown channel is a CodeInvalid fault of "channels[i]".
	AddWave(ctx context.Context, eventID string, w schoolbell.Wave) (schoolbell.Wave, error)

	// Waves returns the further waves of an event in order; CodeNotFound if there is no such event.
	Waves(ctx context.Context, eventID string) ([]schoolbell.Wave, error)

	// UnqueuedWaves returns up to limit unfinished waves of events that are neither cancelled nor held
	// that were never marked queued and never walked, and that start within the time ahead: those without
	// a start first, then in the order of their starts, the older event first. Its cost does not depend on the
	// waves that start later, nor on those of held events.
	UnqueuedWaves(ctx context.Context, ahead time.Duration, limit int) ([]QueuedWave, error)

	// MarkQueued notes that the waves have their jobs.
	MarkQueued(ctx context.Context, waves []WaveRef) error

	// OpenWaves returns up to limit unfinished waves of events that are not held that were marked queued or walked, oldest event
	// first and by number, those after the given one (zero for the first page).
	OpenWaves(ctx context.Context, after WaveRef, limit int) ([]QueuedWave, error)

	// FinishWave makes the wave finished if it is walked and each of its deliveries is
	// terminal, and the event completed if each of its started waves is finished (a cancelled
	// event stays cancelled). It returns the event's state and counts. CodeNotFound if
	// there is no such wave. Before that, and in the same transaction, it does steps of different
	// batches of the wave, as Deliveries.Advance does. They claim nothing.
	FinishWave(ctx context.Context, wave WaveRef, steps ...Step) (Summary, error)
}

// FanOuts turns waves into deliveries.
type FanOuts interface {
	// FanOut walks the next chunk of up to users people of the wave's audience
	// and, in one transaction that also moves the wave's cursor, inserts their
	// delivery rows for every channel, their inbox rows for in_app, and batch rows
	// of up to batchSize pending deliveries a channel. It marks the wave queued. The audience of a further wave are
	// the people who have a delivery in wave 0 and meet its condition. A queued, scheduled
	// or completed event becomes processing. A user who cannot be reached on a channel gets a
	// suppressed row with the reason; in_app rows are sent at once. Concurrent calls for one
	// event take turns. A wave that has not started is
	// CodeConflict, one of a held event too, and so is a further wave while wave 0 is not walked to its end.
	// With ForEach, it stores which of the selected students are those of each guardian.
	// After the last chunk, and for a cancelled event, it does nothing and returns Done. The audience of a digest are the people
	// who have items of it. A user who wants the category in a digest gets a suppressed row, and an item of the next digest.
	// An event past its expires_at has the rest of its audience recorded as expired: no inbox rows.
	FanOut(ctx context.Context, wave WaveRef, users, batchSize int) (FanOutStep, error)

	// FanOutSmall is FanOut that also claims in the same transaction, as Deliveries.Advance does: all pending
	// deliveries of the chunk, if it is the whole audience of the event and small enough.
	FanOutSmall(ctx context.Context, wave WaveRef, users, batchSize int, claim SmallClaim) (FanOutStep, error)

	// OpenBatches returns up to limit batches of the wave that are not finished,
	// ordered by channel and seq, those after the given one (nil for the first page).
	OpenBatches(ctx context.Context, wave WaveRef, after *Batch, limit int) ([]Batch, error)
}

// Deliveries moves the rows of a batch.
type Deliveries interface {
	Households

	// Advance does the steps in one transaction, and returns a Grant for each of them. A step records
	// attempts of rows its lease holds and then claims up to Claim further rows of its batch. A row can be
	// claimed when it is pending and its retry time has come and no claim holds it, or when
	// the lease of the claim that holds it has ended: then its Recipient is Uncertain. A row
	// stays claimed until an attempt of it is recorded, also over further calls. Whether the user can be
	// reached is decided again: rows that may no longer be sent become
	// suppressed, those for a digest together with an item of it; those of a cancelled event cancelled, of an expired one expired. Rows of a held event are not claimed.
	// With Hold, a row whose lease has ended awaits a receipt first, unless an earlier attempt was uncertain already.
	// When nothing could be claimed (Claim may be 0 only to record), Grant holds the state of the batch.
	// When the lease itself has ended nothing is claimed, but attempts of rows that
	// no other worker has claimed since are still recorded (they are the truth),
	// and Grant.LeaseEnded is set. Steps of one batch are done in order. A step of a batch that does not exist
	// gets a Grant with a CodeNotFound error and does not stop the others. An error of the call means that
	// no step was done, or, if its commit may be hidden by the failure, perhaps all of them. Rare steps
	// take a further transaction: two of one batch, and one of which all rows that it could claim had to be ended.
	Advance(ctx context.Context, steps []Step) ([]Grant, error)

	// Personal returns what an event says of users, given by their numbers: its data of them, and the students whom it concerns, by
	// name, as they are now. It leaves out their own names, and users of whom the event says nothing.
	Personal(ctx context.Context, ev *schoolbell.Event, users []int64) (map[int64]*schoolbell.PersonalText, error)

	// EndAbandoned ends the rows of cancelled events that claims of ended leases hold: they become
	// uncertain. It returns the number of events. Such events have no open wave, so nothing
	// else does it if their jobs are lost.
	EndAbandoned(ctx context.Context) (events int, err error)
}

// Receipts are what providers tell about deliveries after they were sent.
type Receipts interface {
	// RecordReceipts records receipts that were not recorded before, by provider and id,
	// and returns how many. The outcome of a delivery that is sending, sent or uncertain becomes
	// that of the receipt, if it has one that is stronger. The address that it names, in upper or lower case, gets the
	// state of the receipt, unless it has a stronger one: bounced, complained, stopped. A delivered receipt makes an
	// unverified address good, a started one a stopped address. A receipt of a
	// delivery that is not there, or of one in the inbox, is recorded and changes nothing. One without an event changes
	// the address of every user who has it on the channel.
	//
	// A delivery awaits a receipt if it is pending with schoolbell.ReasonAwaitingReceipt, after one attempt that the provider may have accepted.
	// A receipt that says so makes it sent, unless it is claimed to be sent again. If the receipt came before the attempt was
	// recorded, or its worker was lost, the delivery becomes sent then.
	RecordReceipts(ctx context.Context, receipts []schoolbell.Receipt) (recorded int, err error)
}

// Leases are the heartbeats of worker processes.
type Leases interface {
	// OpenLease starts a lease of the given length. holder is for people to read.
	OpenLease(ctx context.Context, holder string, ttl time.Duration) (Lease, error)

	// RenewLease makes the lease end ttl from now; CodeConflict if it has already
	// ended, after which it can never be renewed.
	RenewLease(ctx context.Context, lease Lease, ttl time.Duration) error

	// CloseLease ends the lease. Rows still claimed under it become pending again
	// at no cost: its holder says that it did not offer them to a provider.
	CloseLease(ctx context.Context, lease Lease) error
}
