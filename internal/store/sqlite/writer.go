package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// writer is the one connection that writes.
type writer struct {
	*conn
	sql  *sql.Conn
	turn chan struct{} // holds one token while a transaction runs

	mu    sync.Mutex
	queue []*ask // small writes that wait for somebody to commit them together
}

// ask is one small write. done gets its result once it is committed or failed.
type ask struct {
	f    func(c *conn) error
	done chan error
}

// transaction runs f in an immediate transaction and commits it if f returns
// nil. When ctx ends first, nothing of it stays.
func (w *writer) transaction(ctx context.Context, f func(c *conn) error) (err error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return w.commit(ctx, func() error { return f(w.conn) })
}

// together runs f like transaction does, but in one transaction with whatever
// else was asked for while the one before ran: then one wait for the disk does
// for all. f must be short, because the others wait for it; an error of f undoes
// what f did and nothing else.
func (w *writer) together(ctx context.Context, f func(c *conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := &ask{f: f, done: make(chan error, 1)}
	w.mu.Lock()
	w.queue = append(w.queue, a)
	w.mu.Unlock()
	select {
	case err := <-a.done:
		return err
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
		w.lead(context.WithoutCancel(ctx)) // for others too
		return <-a.done                    // by this call, or by the one before
	case <-ctx.Done():
		if w.takeBack(a) {
			return ctx.Err()
		}
		return <-a.done // it is being done this moment
	}
}

// lead does all that is asked for. Its caller has the turn.
func (w *writer) lead(ctx context.Context) {
	w.mu.Lock()
	asks := w.queue
	w.queue = nil
	w.mu.Unlock()
	if len(asks) == 0 {
		return
	}
	errs := make([]error, len(asks))
	err := errors.New("a write in the same transaction panicked")
	defer func() {
		for i, a := range asks {
			if errs[i] == nil {
				errs[i] = err
			}
			a.done <- errs[i]
		}
	}()
	err = w.commit(ctx, func() error {
		if len(asks) == 1 {
			return asks[0].f(w.conn)
		}
		for i, a := range asks {
			var broken error
			if errs[i], broken = w.part(ctx, func() error { return a.f(w.conn) }); broken != nil {
				return broken
			}
		}
		return nil
	})
}

// part runs f as a part of the transaction: an error of f undoes what f did and nothing else. broken means that the transaction itself cannot go on.
func (c *conn) part(ctx context.Context, f func() error) (err, broken error) {
	if _, err := c.exec(ctx, "SAVEPOINT part", nil); err != nil {
		return nil, err
	}
	if err = f(); err != nil {
		if _, broken := c.exec(ctx, "ROLLBACK TO part", nil); broken != nil {
			return err, broken
		}
	}
	_, broken = c.exec(ctx, "RELEASE part", nil)
	return err, broken
}

// takeBack removes an ask; false if it is being done already.
func (w *writer) takeBack(a *ask) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.queue {
		if other == a {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// commit runs f between BEGIN and COMMIT. Its caller has the turn.
func (w *writer) commit(ctx context.Context, f func() error) error {
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		// When ctx ends just as BEGIN succeeds, the transaction is nevertheless open
		// and would be in the way of the next. Otherwise there is none to roll back.
		_, _ = w.exec(context.WithoutCancel(ctx), "ROLLBACK", nil)
		return err
	}
	committed := false
	defer func() { // also when f panics
		if committed {
			return
		}
		// It fails only where SQLite has already rolled back, as on a full disk.
		_, _ = w.exec(context.WithoutCancel(ctx), "ROLLBACK", nil)
	}()
	if err := f(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := w.exec(context.WithoutCancel(ctx), "COMMIT", nil); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}
