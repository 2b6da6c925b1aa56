package school_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"schoolbell"
	"schoolbell/internal/school"
)

// countingStore is a ledger whose settings other processes change.
type countingStore struct {
	school.SettingsStore // for what the test does not call

	stored schoolbell.SchoolSettings
	err    error
	hangs  bool
	reads  atomic.Int32
}

func (s *countingStore) Settings(ctx context.Context) (schoolbell.SchoolSettings, error) {
	s.reads.Add(1)
	if s.hangs {
		<-ctx.Done()
		return schoolbell.SchoolSettings{}, ctx.Err()
	}
	return s.stored, s.err
}

func version(n int64, name string) schoolbell.SchoolSettings {
	s := schoolbell.DefaultSchoolSettings()
	s.Name, s.Version = name, n
	return s
}

func TestCurrentSettings(t *testing.T) {
	t.Parallel()
	setUp := func(first string) (*countingStore, *school.Settings, *bytes.Buffer) {
		store, log := &countingStore{err: schoolbell.NotFound("settings", "")}, &bytes.Buffer{}
		return store, school.NewSettings(store, version(0, first), slog.New(slog.NewTextHandler(log, nil))), log
	}
	t.Run("a change elsewhere is seen after two seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, s, _ := setUp("First")
			if got := s.Current().Name; got != "First" {
				t.Errorf("before anything is stored the name is %q", got)
			}
			store.stored, store.err = version(1, "Changed"), nil
			for range 1000 {
				if got := s.Current().Name; got != "First" {
					t.Fatalf("at once the name is %q", got)
				}
			}
			<-time.After(2 * time.Second) // of the fake clock
			for range 1000 {
				if got := s.Current().Name; got != "Changed" {
					t.Fatalf("after two seconds the name is %q", got)
				}
			}
			if n := store.reads.Load(); n != 2 {
				t.Errorf("the ledger was asked %d times, want 2", n)
			}
		})
	})
	t.Run("an outage keeps the last settings and is logged once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, s, log := setUp("First")
			store.stored, store.err = version(1, "Stored"), nil
			s.Current()
			store.err = errors.New("the ledger is gone")
			for range 5 {
				<-time.After(3 * time.Second) // of the fake clock
				if got := s.Current().Name; got != "Stored" {
					t.Errorf("the name is %q", got)
				}
			}
			store.err = nil
			<-time.After(3 * time.Second) // of the fake clock
			s.Current()
			if n := strings.Count(log.String(), "cannot read the school's settings"); n != 1 || !strings.Contains(log.String(), "can read the school's settings again") {
				t.Errorf("the log says:\n%s", log)
			}
		})
	})
	t.Run("a ledger that hangs delays one caller only", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, s, _ := setUp("First")
			store.hangs = true
			began := time.Now()
			go s.Current()
			synctest.Wait()
			if got := s.Current().Name; got != "First" || time.Since(began) != 0 {
				t.Errorf("the name is %q after %v", got, time.Since(began))
			}
			<-time.After(time.Second) // of the fake clock
		})
	})
}
