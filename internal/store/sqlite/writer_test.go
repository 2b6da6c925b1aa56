package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

func TestWriteTogether(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed after it wrote")
	var writes sync.WaitGroup
	s.w.turn <- struct{}{} // until all of them wait
	for i := range 20 {
		writes.Go(func() {
			err := s.writeTogether(t.Context(), "test", func(ctx context.Context, c *conn) error {
				if _, err := c.exec(ctx, "INSERT INTO secrets (name, value) VALUES (@name, x'00')", args{"name": fmt.Sprintf("%02d", i)}); err != nil {
					return err
				}
				if i%2 == 1 {
					return failed
				}
				return nil
			})
			if errors.Is(err, failed) != (i%2 == 1) {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	writes.Go(func() {
		err := s.writeTogether(gone, "test", func(context.Context, *conn) error {
			t.Error("a write ran whose caller had gone")
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("write of a caller who has gone: %v", err)
		}
	})
	waiting := func() int { s.w.mu.Lock(); defer s.w.mu.Unlock(); return len(s.w.queue) }
	testenv.Eventually(t, time.Minute, func() bool { return waiting() == 21 }, "all of them to queue")
	cancel()
	testenv.Eventually(t, time.Minute, func() bool { return waiting() == 20 }, "the caller who has gone to leave the queue")
	<-s.w.turn
	writes.Wait()
	var kept int
	err = s.read(t.Context(), "count", func(c *conn) error {
		return c.get(t.Context(), "SELECT count(*) FROM secrets WHERE CAST(name AS INTEGER) % 2 = 0", nil, &kept)
	})
	if err != nil || kept != 10 {
		t.Errorf("%d of 10 good writes kept, %v", kept, err)
	}
	if err := s.read(t.Context(), "count", func(c *conn) error { return c.get(t.Context(), "SELECT count(*) FROM secrets", nil, &kept) }); err != nil || kept != 10 {
		t.Errorf("%d rows kept, %v; want the good ones alone", kept, err)
	}
}
