package row

import (
	"fmt"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// SchemaFault returns what is wrong with a schema that the program cannot use, with the remedy;
// nil when it can use it.
func SchemaFault(s ledger.Schema) error {
	switch {
	case s.Behind():
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable,
			Message: fmt.Sprintf("the ledger has schema version %d and this program needs %d; run `schoolbell migrate`", s.Version, s.Needed)}
	case s.Ahead():
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable,
			Message: fmt.Sprintf("the ledger has schema version %d, which needs programs of version %d or newer, and this program is of version %d; run the newer schoolbell that migrated it",
				s.Version, s.OldestProgram, s.Needed)}
	}
	return nil
}

// Held is the error of a change to an event that is held.
func Held() error {
	return Conflict("the event is held since the ledger was restored from a backup: release it first, or cancel it")
}

// NotHeld is the error of a release of an event that is not held.
func NotHeld(status schoolbell.EventStatus) error {
	return Conflict("the event is %s and not held", status)
}

// OtherNumberHeld is the error of a release of all held events whose caller knows of another number of them.
func OtherNumberHeld(held, known int) error {
	return Conflict("the number of held events is %d and not %d", held, known)
}

// LeaseEnded is the error of a call under a lease that is over.
func LeaseEnded() error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "the lease has ended"}
}

// NoBatch is the error for a batch that does not exist.
func NoBatch(b ledger.Batch) error {
	return schoolbell.NotFound("batch", fmt.Sprintf("%s.%s.%d", b.EventID, b.Channel, b.Seq))
}

// NoAddress is the error of a suppression of an address that nobody has.
func NoAddress() error {
	return &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "nobody has this address on the channel"}
}

// NoSuppression is the error of an id that no suppression has.
func NoSuppression() error {
	return &schoolbell.Error{Code: schoolbell.CodeNotFound, Message: "there is no such suppression"}
}

// KeyReused is the error of a second, different request under one idempotency key.
func KeyReused() error {
	return schoolbell.Invalid("Idempotency-Key", "was used before for a different request")
}

// KeyReplaced is the error of an API key that already has another secret.
func KeyReplaced() error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "the API key has been revoked, or it was rotated before"}
}

// NotDue is the error of a fan-out before an event's send_at.
func NotDue() error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "the event is not due yet"}
}

// Busy is the error of a walk that tells of a change while workers are still sending what was before.
func Busy() error { return Conflict("workers are still sending the text before the change") }

// Conflict is the error of a move that the state of an event rules out.
func Conflict(format string, args ...any) error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: fmt.Sprintf(format, args...)}
}

// DeliveriesRemoved is the error of a change to deliveries that are old and removed.
func DeliveriesRemoved() error {
	return Conflict("the deliveries of the event have been removed because they were old")
}

// UnknownCategory is the fault of an event in a category that does not exist.
func UnknownCategory(id schoolbell.Category) error {
	return schoolbell.Invalid("category", "there is no category %q", id)
}

// CategoryInUse is the error of a deletion of a category that events have.
func CategoryInUse() error {
	return Conflict("events are in this category: it cannot be deleted")
}

// TooManyCategories is the error of a category beyond the limit.
func TooManyCategories() error {
	return Conflict("there are %d categories already, which is the limit", schoolbell.MaxCategories)
}

// NoChannelSetUp is the fault of an event that names no channels and whose category has
// only channels that are not set up.
func NoChannelSetUp(c schoolbell.CategoryInfo) error {
	names := make([]string, len(c.Channels))
	for i, ch := range c.Channels {
		names[i] = string(ch)
	}
	return schoolbell.Invalid("channels", "none of the channels of category %s is set up here: %s", c.ID, strings.Join(names, ", "))
}

// UnknownChannel is the fault of a field that names a channel that does not exist.
func UnknownChannel(field string, c schoolbell.Channel) error {
	return schoolbell.Invalid(field, "there is no channel %q", c)
}

// UnknownChannels returns a fault for each of the channels at the given positions, or nil if
// there are none.
func UnknownChannels(channels []schoolbell.Channel, unknown []int) error {
	var f schoolbell.Faults
	for _, i := range unknown {
		f.Add(fmt.Sprintf("channels[%d]", i), "there is no channel %q", channels[i])
	}
	return f.Err()
}

// TooManyWaves is the error of a wave beyond the limit.
func TooManyWaves() error {
	return Conflict("the event has %d waves already, which is the limit", schoolbell.MaxWaves)
}

// Begun is the error of a change that is only possible before an event is sent.
func Begun() error {
	return Conflict("messages of the event are being sent or were sent: send an update instead")
}

// TooManyRevisions is the error of a change of an event that was changed too often.
func TooManyRevisions() error {
	return Conflict("the event was changed %d times, which is the limit", schoolbell.MaxRevisions)
}

// NotBegun is the error of an update of an event of which nothing was sent.
func NotBegun() error {
	return Conflict("nothing of the event was sent yet: change it instead")
}
