package ledger

import (
	"context"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"schoolbell"
)

// Change is the audit entry of a change, on its way from the caller to the store. It
// travels in the context of the call, see [WithChange]: every transaction of a store that
// writes puts the entry next to what it writes, so that neither is stored without the
// other. It is safe for concurrent use.
type Change struct {
	mu     sync.Mutex
	entry  schoolbell.AuditEntry
	done   bool // the change was made
	stored bool // with the details that it had then
	void   bool // the transaction or call that runs changes nothing
}

// NewChange returns the change of an entry, and gives the entry an id.
func NewChange(e schoolbell.AuditEntry) *Change {
	e.At = schoolbell.Time(e.At)
	e.ID = auditID(e.At)
	e.Changes = maps.Clone(e.Changes)
	return &Change{entry: e}
}

// audits counts the entries that this process has made.
var audits atomic.Uint32

// auditID returns a UUID of version 7, so entries sort by time. Within a millisecond, those
// of one process are in the order in which they were made: a counter of 26 bits follows the time.
func auditID(at time.Time) string {
	id := uuid.New()
	ms, n := at.UnixMilli(), audits.Add(1)
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[7] = 0x70|byte(n>>22)&0xf, byte(n>>14)
	id[8], id[9] = 0x80|byte(n>>8)&0x3f, byte(n)
	return id.String()
}

// Another returns a change with the same entry under an id of its own, for a call that makes
// several. Of a nil Change it returns nil.
func (c *Change) Another() *Change {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return NewChange(c.copy())
}

type changeKey struct{}

// WithChange returns a context whose calls make change c. With nil they make none that is
// audited.
func WithChange(ctx context.Context, c *Change) context.Context {
	return context.WithValue(ctx, changeKey{}, c)
}

// ChangeOf returns the change that calls with ctx make, or nil. A nil Change ignores what
// it is told.
func ChangeOf(ctx context.Context) *Change {
	c, _ := ctx.Value(changeKey{}).(*Change)
	return c
}

// Target says what is changed, where the caller did not know it.
func (c *Change) Target(id string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entry.Target.ID, c.stored = clean(id), false
}

// By says who makes the change, where that is known only while it is made.
func (c *Change) By(actor schoolbell.Actor) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entry.Actor, c.stored = actor, false
}

// Set adds a detail: no names, addresses or texts of people. The value must be one that
// JSON has.
func (c *Change) Set(name string, value any) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry.Changes == nil {
		c.entry.Changes = map[string]any{}
	}
	switch v := value.(type) {
	case string:
		value = clean(v)
	case time.Time:
		value = v.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	c.entry.Changes[name], c.stored = value, false
}

// clean makes a text of another program's one that every store keeps.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// Begin is for stores: a transaction begins, perhaps a second time.
func (c *Change) Begin() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.void = false
}

// Void says that the transaction or the call that runs changes nothing.
func (c *Change) Void() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.void = true
}

// Committed is for stores: the transaction that runs was committed, with the entry if
// there was one to store.
func (c *Change) Committed() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.void {
		c.done, c.stored = true, true
	}
}

// Unstored is for stores: it returns the entry to store, if the transaction that runs
// changes something and the entry is not stored yet as it is now.
func (c *Change) Unstored() (e schoolbell.AuditEntry, ok bool) {
	if c == nil {
		return e, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copy(), !c.void && !c.stored
}

// Done says that the change was made, outside of the ledger. A void change is not.
func (c *Change) Done() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = c.done || !c.void
}

// Left returns the entry if the change was made and the entry is not stored, or not with
// the details that came since.
func (c *Change) Left() (e schoolbell.AuditEntry, ok bool) {
	if c == nil {
		return e, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copy(), c.done && !c.stored
}

func (c *Change) copy() schoolbell.AuditEntry {
	e := c.entry
	e.Changes = maps.Clone(e.Changes)
	return e
}
