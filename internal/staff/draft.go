package staff

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"schoolbell"
)

const (
	maxDraft      = 256 << 10           // bytes of a form
	maxDraftTitle = 1_000               // bytes
	draftLimit    = 90 * 24 * time.Hour // a draft that is not saved again is removed
)

// Draft is the form of an event that somebody has not sent yet. Nobody else sees it.
type Draft struct {
	ID      string // the key of the form, with which its event is created once
	Account string
	Title   string
	Form    json.RawMessage // as the panel reads it
	SavedAt time.Time
}

// DraftStore keeps drafts. Every method is one transaction; implementations are safe for concurrent use.
type DraftStore interface {
	// PutDraft stores a draft or replaces that with the same id and account. CodeConflict if an event was created from
	// its form, in the scope of idempotency keys that is given, or if the account has too many.
	PutDraft(ctx context.Context, d Draft, scope string) error

	// Draft returns a draft of an account; CodeNotFound if there is none.
	Draft(ctx context.Context, account, id string) (Draft, error)

	// Drafts returns the drafts of an account, the last saved first.
	Drafts(ctx context.Context, account string) ([]Draft, error)

	// CountDrafts returns how many drafts an account has.
	CountDrafts(ctx context.Context, account string) (int, error)

	// RemoveDraft removes a draft of an account, if it is there.
	RemoveDraft(ctx context.Context, account, id string) error

	// RemoveOldDrafts removes the drafts that were not saved since a time.
	RemoveOldDrafts(ctx context.Context, before time.Time) error
}

// Drafts keeps what people have written and not sent. It is safe for concurrent use.
type Drafts struct {
	store DraftStore
	now   func() time.Time
	log   *slog.Logger
}

// NewDrafts returns the drafts in a store. One process on the ledger at least also runs Run.
func NewDrafts(store DraftStore, o Options) *Drafts {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Drafts{store: store, now: o.Clock, log: o.Logger}
}

// EventScope is the scope of the idempotency keys of events that an account creates.
func EventScope(account string) string { return "staff/" + account }

// Save stores a draft and returns it with the time. CodeInvalid if it is too large; CodeConflict if an event was
// created from its form, or if the account has [schoolbell.MaxDrafts] others.
func (s *Drafts) Save(ctx context.Context, d Draft) (Draft, error) {
	if !schoolbell.ValidID(d.ID) {
		return d, schoolbell.Invalid("form", "cannot be read: it has no key")
	}
	if len(d.Form) > maxDraft || len(d.Title) > maxDraftTitle {
		return d, schoolbell.Invalid("form", "is too large for a draft")
	}
	d.SavedAt = schoolbell.Time(s.now())
	return d, s.store.PutDraft(ctx, d, EventScope(d.Account))
}

// Draft returns a draft of an account; CodeNotFound if there is none.
func (s *Drafts) Draft(ctx context.Context, account, id string) (Draft, error) {
	return s.store.Draft(ctx, account, id)
}

// All returns the drafts of an account, the last saved first.
func (s *Drafts) All(ctx context.Context, account string) ([]Draft, error) {
	return s.store.Drafts(ctx, account)
}

// Count returns how many drafts an account has.
func (s *Drafts) Count(ctx context.Context, account string) (int, error) {
	return s.store.CountDrafts(ctx, account)
}

// Remove removes a draft of an account, if it is there.
func (s *Drafts) Remove(ctx context.Context, account, id string) error {
	return s.store.RemoveDraft(ctx, account, id)
}

// Run removes old drafts every hour until ctx ends.
func (s *Drafts) Run(ctx context.Context) error {
	for {
		if err := s.store.RemoveOldDrafts(ctx, s.now().Add(-draftLimit)); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "old drafts could not be removed; the next attempt is in an hour", "error", fmt.Errorf("remove old drafts: %w", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(removeEvery):
		}
	}
}
