package school

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"schoolbell"
	"schoolbell/internal/outage"
)

// SettingsStore is what [Settings] needs of the ledger. Every method is one transaction;
// implementations are safe for concurrent use.
type SettingsStore interface {
	// Settings returns the settings; CodeNotFound if none are stored yet.
	Settings(ctx context.Context) (schoolbell.SchoolSettings, error)

	// SeedSettings stores first as version 1 if no settings are stored yet, and returns
	// those that are stored then.
	SeedSettings(ctx context.Context, first schoolbell.SchoolSettings) (schoolbell.SchoolSettings, error)

	// PutSettings replaces the settings and returns them as stored, with the next version
	// and the ledger's time. Settings of a version that is neither 0 nor the stored one
	// are CodeConflict, and change nothing.
	PutSettings(ctx context.Context, s schoolbell.SchoolSettings) (schoolbell.SchoolSettings, error)
}

const (
	freshFor    = 2 * time.Second // how long Current trusts what it has read
	readTimeout = time.Second     // for reading the settings again
)

// Settings reads and changes the settings of the school. It is safe for concurrent use.
type Settings struct {
	store SettingsStore
	first schoolbell.SchoolSettings
	log   *slog.Logger

	current atomic.Pointer[schoolbell.SchoolSettings]
	stale   atomic.Int64 // when current must be read again, in nanoseconds of Unix time

	reading sync.Mutex // held by the call that changes current
	outage  outage.Log // of the ledger, under reading
}

// NewSettings returns Settings over store. First holds while the ledger has none.
func NewSettings(store SettingsStore, first schoolbell.SchoolSettings, log *slog.Logger) *Settings {
	s := &Settings{store: store, first: first, log: log}
	s.current.Store(&first)
	return s
}

// Seed stores the first settings if the ledger has none yet, and returns the stored ones.
func (s *Settings) Seed(ctx context.Context) (schoolbell.SchoolSettings, error) {
	stored, err := s.store.SeedSettings(ctx, s.first)
	if err != nil {
		return stored, err
	}
	s.keep(stored)
	return stored, nil
}

// Get returns the settings as the ledger has them now.
func (s *Settings) Get(ctx context.Context) (schoolbell.SchoolSettings, error) {
	stored, err := s.read(ctx)
	if err != nil {
		return stored, err
	}
	s.keep(stored)
	return stored, nil
}

// Put replaces the settings, which it normalizes first, and returns them as stored.
// Everything that is wrong with them is reported at once. Settings of a version that is
// neither 0 nor the stored one are CodeConflict. [Settings.Current] knows the new ones at
// once in this process, and within three seconds in others.
func (s *Settings) Put(ctx context.Context, v schoolbell.SchoolSettings) (schoolbell.SchoolSettings, error) {
	v.Normalize()
	if err := v.Validate(); err != nil {
		return v, err
	}
	stored, err := s.store.PutSettings(ctx, v)
	if err != nil {
		return stored, err
	}
	s.keep(stored)
	return stored, nil
}

// Current returns the settings as they were in the ledger at most three seconds ago. It
// asks the ledger at most every two seconds, in one call at a time; the others do not wait.
// While the ledger is unavailable it returns what it has read last.
func (s *Settings) Current() schoolbell.SchoolSettings {
	if time.Now().UnixNano() >= s.stale.Load() && s.reading.TryLock() {
		s.refresh()
		s.reading.Unlock()
	}
	return *s.current.Load()
}

// refresh reads the settings again. Its caller holds reading.
func (s *Settings) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	stored, err := s.read(ctx)
	s.outage.Note(context.Background(), s.log, slog.LevelWarn, "read the school's settings", err)
	if err == nil {
		s.current.Store(&stored)
	}
	s.stale.Store(time.Now().Add(freshFor).UnixNano())
}

// keep makes stored the current settings, unless newer ones are known already.
func (s *Settings) keep(stored schoolbell.SchoolSettings) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if stored.Version < s.current.Load().Version {
		return
	}
	s.current.Store(&stored)
	s.stale.Store(time.Now().Add(freshFor).UnixNano())
}

func (s *Settings) read(ctx context.Context) (schoolbell.SchoolSettings, error) {
	stored, err := s.store.Settings(ctx)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return s.first, nil
	}
	return stored, err
}
