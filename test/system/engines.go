package system

import (
	"testing"

	"schoolbell/internal/testenv"
)

// OnBothEngines runs a test on SQLite with the queue inside serve, and on PostgreSQL and Redis with a worker.
func OnBothEngines(t *testing.T, run func(t *testing.T, p Parts)) {
	t.Helper()
	t.Run("SQLite with the embedded queue", func(t *testing.T) {
		t.Parallel()
		run(t, Parts{})
	})
	t.Run("PostgreSQL and Redis with a worker", func(t *testing.T) {
		t.Parallel()
		run(t, Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t)})
	})
}

// Start starts serve, and a worker if there is a Redis for it. Stop stops both.
func (s *School) Start() (stop func()) {
	s.t.Helper()
	running := s.StartProcesses()
	return func() {
		s.t.Helper()
		for _, p := range running {
			p.Stop()
		}
	}
}

// StartProcesses is Start for tests that kill what they have started.
func (s *School) StartProcesses() []*Process {
	s.t.Helper()
	running := []*Process{s.Serve()}
	s.AwaitReady()
	if s.Redis != "" {
		running = append(running, s.Worker("one"))
	}
	return running
}
