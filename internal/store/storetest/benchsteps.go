package storetest

import (
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// BenchmarkSteps measures claiming and recording apart, while Benchmark measures both in one
// statement, as workers do. server is nil or returns the processor time that the engine's
// server has used so far.
func BenchmarkSteps(b *testing.B, database Database, server func() time.Duration) {
	b.Run("Claim by one worker in groups of 25", func(b *testing.B) {
		benchSteps(b, database, func(s *stepped, batches []ledger.Batch) {
			s.timed(b, server, func() { s.claim(batches) })
		})
	})
	b.Run("Record by one worker in groups of 25", func(b *testing.B) {
		benchSteps(b, database, func(s *stepped, batches []ledger.Batch) {
			claimed := s.claim(batches)
			s.timed(b, server, func() { s.record(claimed) })
		})
	})
}

// benchTogether has each of some workers advance four batches in one call, as the jobs of a process do.
func benchTogether(b *testing.B, s *testStore, l ledger.Lease, work <-chan ledger.Batch) error {
	const most = 4
	steps := make([]ledger.Step, 0, most)
	for {
		for len(steps) < most {
			batch, more := <-work
			if !more {
				break
			}
			steps = append(steps, ledger.Step{Lease: l, Batch: batch, Claim: stepGroup, Shared: true})
		}
		if len(steps) == 0 {
			return nil
		}
		grants, err := s.Deliveries.Advance(b.Context(), steps)
		if err != nil {
			return err
		}
		going := steps[:0]
		for i, g := range grants {
			step := steps[i]
			if step.Attempts = benchAttempts(g.Recipients); len(step.Attempts) > 0 {
				going = append(going, step)
			} else if !g.Finished {
				return fmt.Errorf("batch %d is not finished: %+v", step.Batch.Seq, g)
			}
		}
		steps = going
	}
}

// benchAttempts are attempts of which each has sent its message.
func benchAttempts(rs []ledger.Recipient) []ledger.Attempt {
	done := attempts(rs, schoolbell.DeliverySent)
	for i := range done {
		done[i].ProviderID = "250 2.0.0 Ok: queued as 4F1B2C3D4E"
	}
	return done
}

const (
	stepUsers = 10_000
	stepGroup = 25 // rows of a claim
)

// stepped is a ledger whose rows are claimed and recorded in separate steps.
type stepped struct {
	*testStore
	lease ledger.Lease
	rows  int           // moved while the time was taken
	used  time.Duration // processor time of the server meanwhile
}

// claimedGroup are rows of one claim.
type claimedGroup struct {
	batch      ledger.Batch
	recipients []ledger.Recipient
}

// benchSteps gives run the batches of a new event by email in each round, with the timer stopped.
func benchSteps(b *testing.B, database Database, run func(s *stepped, batches []ledger.Batch)) {
	s := &stepped{testStore: newTestStore(b, database(b)())}
	s.shared = true
	if _, err := s.People.PutUsers(b.Context(), crowd(stepUsers)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		batches, n := s.walk(s.create(newEvent(everybody, schoolbell.ChannelEmail)), 5_000, 100)
		s.lease = s.testStore.lease()
		run(s, batches)
		s.rows += n
		b.StartTimer()
	}
	b.ReportMetric(float64(s.rows)/b.Elapsed().Seconds(), "rows/s")
	if s.used > 0 {
		b.ReportMetric(float64(s.used.Nanoseconds())/1_000/float64(s.rows), "server-µs/row")
	}
}

// timed runs a step with the timer running.
func (s *stepped) timed(b *testing.B, server func() time.Duration, step func()) {
	if server != nil {
		s.used -= server()
	}
	b.StartTimer()
	step()
	b.StopTimer()
	if server != nil {
		s.used += server()
	}
}

// claim claims all rows and records none.
func (s *stepped) claim(batches []ledger.Batch) (claimed []claimedGroup) {
	s.t.Helper()
	for _, batch := range batches {
		for left := batch.Size; left > 0; {
			g := s.advance(s.lease, batch, nil, stepGroup)
			if len(g.Recipients) == 0 {
				s.t.Fatalf("%d rows of batch %d cannot be claimed: %+v", left, batch.Seq, g)
			}
			left -= len(g.Recipients)
			claimed = append(claimed, claimedGroup{batch, g.Recipients})
		}
	}
	return claimed
}

// record records what was claimed and claims nothing.
func (s *stepped) record(claimed []claimedGroup) {
	s.t.Helper()
	for _, c := range claimed {
		s.advance(s.lease, c.batch, benchAttempts(c.recipients), 0)
	}
}
