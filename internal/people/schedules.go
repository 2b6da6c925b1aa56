package people

import (
	"context"

	"schoolbell"
)

// ScheduleStore is what [Schedules] needs of the ledger. Every method is one transaction; implementations are safe for
// concurrent use.
type ScheduleStore interface {
	// PutSchedule replaces the schedule of a user; CodeNotFound if there is no such user.
	PutSchedule(ctx context.Context, userID string, s schoolbell.Schedule) error

	// Schedule returns the schedule of a user as it was put, and the user's time zone, empty for that of the school;
	// CodeNotFound if there is no such user.
	Schedule(ctx context.Context, userID string) (s schoolbell.Schedule, timezone string, err error)

	// PutLanguage stores the language that a user has chosen, BCP 47. PutUser leaves it from then on. CodeNotFound if there is no
	// such user.
	PutLanguage(ctx context.Context, userID, tag string) error
}

// Schedules are when users want messages, and in which language. It is safe for concurrent use.
type Schedules struct{ store ScheduleStore }

// NewSchedules returns Schedules over a store.
func NewSchedules(store ScheduleStore) Schedules { return Schedules{store} }

// Get returns the schedule of a user as it was put, and the user's time zone, empty for that of the school; CodeNotFound if
// there is no such user.
func (s Schedules) Get(ctx context.Context, userID string) (v schoolbell.Schedule, timezone string, err error) {
	return s.store.Schedule(ctx, userID)
}

// Put replaces the schedule of a user. All faults are reported; with any, nothing is stored.
func (s Schedules) Put(ctx context.Context, userID string, v schoolbell.Schedule) error {
	if err := v.Validate(); err != nil {
		return err
	}
	return s.store.PutSchedule(ctx, userID, v)
}

// PutLanguage stores the language that a user has chosen, BCP 47. It stays when the user is imported again.
func (s Schedules) PutLanguage(ctx context.Context, userID, tag string) error {
	if err := schoolbell.ValidateLanguage(tag); err != nil {
		return schoolbell.Invalid("language", "%v", err)
	}
	return s.store.PutLanguage(ctx, userID, tag)
}
