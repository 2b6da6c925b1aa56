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

// Categories knows the categories of the school without asking the ledger for each message. It is safe for concurrent use.
type Categories struct {
	store CategoryStore
	log   *slog.Logger

	known atomic.Pointer[map[schoolbell.Category]schoolbell.CategoryInfo]
	stale atomic.Int64 // when known must be read again, in nanoseconds of Unix time

	reading sync.Mutex // held by the call that changes known
	outage  outage.Log // of the ledger, under reading
}

// CategoryStore is what [Categories] needs of the ledger.
type CategoryStore interface {
	// Categories is that of [Store].
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)
}

// NewCategories returns Categories over store. The built-in ones hold until the ledger answers.
func NewCategories(store CategoryStore, log *slog.Logger) *Categories {
	c := &Categories{store: store, log: log}
	c.keep(schoolbell.BuiltInCategories())
	return c
}

// Optional reports whether people can switch the messages of a category off, as the ledger had it at most three seconds
// ago. The ledger is asked every two seconds at most, in one call at a time; the others do not wait. If it does not
// answer, what was known before counts. A category that is not known can be switched off.
func (c *Categories) Optional(id schoolbell.Category) bool {
	if time.Now().UnixNano() >= c.stale.Load() && c.reading.TryLock() {
		c.refresh()
		c.reading.Unlock()
	}
	return !(*c.known.Load())[id].Mandatory
}

// refresh reads the categories again. Its caller holds reading.
func (c *Categories) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	list, err := c.store.Categories(ctx)
	c.outage.Note(context.Background(), c.log, slog.LevelWarn, "read the categories", err)
	if err == nil {
		c.keep(list)
	}
	c.stale.Store(time.Now().Add(freshFor).UnixNano())
}

func (c *Categories) keep(list []schoolbell.CategoryInfo) {
	known := make(map[schoolbell.Category]schoolbell.CategoryInfo, len(list))
	for _, info := range list {
		known[info.ID] = info
	}
	c.known.Store(&known)
}
