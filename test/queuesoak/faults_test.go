package queuesoak

import (
	"context"
	"strings"
	"syscall"
	"time"

	"schoolbell/test/queuesoak/soaker/plan"
)

// fault breaks something and returns what repairs it, nil if it passes without that.
type fault struct {
	name   string
	strike func(s *soak) (repair func())
}

// Faults of the server, of which there is one at a time, and of the programs.
var (
	ofServer = []fault{
		{"scripts flushed", func(s *soak) func() {
			s.surely("flush scripts", func(ctx context.Context) error { return s.rdb.ScriptFlush(ctx).Err() })
			return nil
		}},
		{"all clients cut", func(s *soak) func() { s.cut(all); return nil }},
		{"all clients cut again and again", func(s *soak) func() {
			for range 20 {
				s.cut(all)
				s.moment(20 * time.Millisecond)
			}
			return nil
		}},
		{"one client cut", func(s *soak) func() {
			s.cut(func(clients []string) []string { return clients[s.rand.IntN(len(clients)):][:1] })
			return nil
		}},
		{"waiting clients cut", func(s *soak) func() { s.cut(waiting); return nil }},
		{"redis killed", func(s *soak) func() { s.redis.Kill(); return s.redis.Restart }},
		{"redis restarted", func(s *soak) func() { s.redis.Stop(); return s.redis.Restart }},
		{"redis frozen", func(s *soak) func() { s.redis.Pause(); s.moment(2 * plan.Lock); return s.redis.Continue }},
		{"log rewritten", func(s *soak) func() {
			s.rdb.BgRewriteAOF(s.Context()) // is refused while one is under way
			return nil
		}},
		{"queue paused", (*soak).pause},
	}
	ofPrograms = []fault{
		{"worker killed", func(s *soak) func() { return s.replace(s.workers, s.kill) }},
		{"worker stopped", func(s *soak) func() {
			return s.replace(s.workers, func(p *soaker) { p.Signal(syscall.SIGTERM) })
		}},
		{"worker frozen", func(s *soak) func() { return s.freeze(plan.Lock / 2) }},
		{"worker frozen for longer than its locks", func(s *soak) func() { repair := s.freeze(plan.Lock); <-time.After(plan.Lock); return repair }},
		{"producer killed", func(s *soak) func() { return s.replace(s.producers, s.kill) }},
	}
)

// strike draws a fault, or one of each sort at once, and repairs it after a moment.
func (s *soak) strike() {
	s.Helper()
	sorts := [][]fault{ofServer, ofPrograms}
	if s.rand.IntN(2) == 0 {
		sorts[0], sorts[1] = sorts[1], sorts[0]
	}
	if s.rand.IntN(3) > 0 {
		sorts = sorts[:1]
	}
	var repairs []func()
	for _, faults := range sorts {
		f := faults[s.rand.IntN(len(faults))]
		s.struck[f.name]++
		if repair := f.strike(s); repair != nil {
			repairs = append(repairs, repair)
		}
		s.moment(300 * time.Millisecond)
	}
	for _, repair := range repairs {
		repair()
	}
}

// replace ends one of some programs in a way, and starts another in its place.
func (s *soak) replace(of []*soaker, ending func(*soaker)) (repair func()) {
	i := s.rand.IntN(len(of))
	p := of[i]
	ending(p)
	return func() {
		if !p.killed {
			s.end(p)
		}
		of[i] = s.start(p.role)
	}
}

// freeze stops a worker where it stands, for up to some time longer than it takes to repair it.
func (s *soak) freeze(limit time.Duration) (repair func()) {
	p := s.workers[s.rand.IntN(len(s.workers))]
	p.Signal(syscall.SIGSTOP)
	s.moment(limit)
	return func() { p.Signal(syscall.SIGCONT) }
}

// cut ends the connections that which chooses from the list of all others, one a line;
// nil means all.
func (s *soak) cut(which func(clients []string) []string) {
	s.Helper()
	s.surely("cut connections", func(ctx context.Context) error {
		own := s.rdb.Conn()
		defer own.Close()
		list, err := own.ClientList(ctx).Result()
		if err != nil {
			return err
		}
		chosen := which(strings.Split(strings.TrimSpace(list), "\n"))
		if chosen == nil {
			return own.Do(ctx, "client", "kill", "type", "normal", "skipme", "yes").Err()
		}
		for _, client := range chosen {
			id, _, _ := strings.Cut(strings.TrimPrefix(client, "id="), " ")
			if err := own.Do(ctx, "client", "kill", "id", id, "skipme", "yes").Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

func all([]string) []string { return nil }

// waiting are the connections on which workers wait for jobs.
func waiting(clients []string) []string {
	of := []string{}
	for _, client := range clients {
		if strings.Contains(client, ":w:") {
			of = append(of, client)
		}
	}
	return of
}

// pause pauses one of the queues.
func (s *soak) pause() (repair func()) {
	s.Helper()
	q := s.queues[plan.Queues[s.rand.IntN(len(plan.Queues))]]
	s.surely("pause", q.Pause)
	return func() { s.surely("resume", q.Resume) }
}
