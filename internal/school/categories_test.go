package school_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"schoolbell"
	"schoolbell/internal/school"
)

// categoryStore is a ledger whose categories other processes change.
type categoryStore struct {
	stored []schoolbell.CategoryInfo
	err    error
	reads  int
}

func (s *categoryStore) Categories(context.Context) ([]schoolbell.CategoryInfo, error) {
	s.reads++
	return s.stored, s.err
}

func TestOptionalCategories(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		store := &categoryStore{err: errors.New("the ledger is gone")}
		c := school.NewCategories(store, slog.New(slog.NewTextHandler(log, nil)))
		check := func(when string, want map[schoolbell.Category]bool) {
			t.Helper()
			for range 100 {
				for id, optional := range want {
					if got := c.Optional(id); got != optional {
						t.Fatalf("%s: %s is optional: %v, want %v", when, id, got, optional)
					}
				}
			}
		}
		check("without a ledger", map[schoolbell.Category]bool{"event": true, "urgent": false, "trips": true})
		store.err, store.stored = nil, []schoolbell.CategoryInfo{{ID: "event", Mandatory: true}, {ID: "trips"}}
		check("at once", map[schoolbell.Category]bool{"event": true})
		<-time.After(2 * time.Second) // of the fake clock
		check("after two seconds", map[schoolbell.Category]bool{"event": false, "trips": true})
		store.err = errors.New("the ledger is gone")
		<-time.After(2 * time.Second) // of the fake clock
		check("while the ledger is gone again", map[schoolbell.Category]bool{"event": false, "trips": true})
		if n := strings.Count(log.String(), "cannot read the categories"); n != 2 || store.reads != 3 {
			t.Errorf("%d reads, and the log says:\n%s", store.reads, log)
		}
	})
}
