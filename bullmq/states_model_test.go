package bullmq

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"schoolbell/bullmq/redistest"
)

// inState says how a job gets into each state, with a parent that waits for it and a
// sibling, so that a move has something to get wrong.
var inState = map[string]func(m *machine, u *modelUser, o JobOptions) string{
	"waiting": func(m *machine, u *modelUser, o JobOptions) string { return m.add(u, m.p[0], o) },
	"paused": func(m *machine, u *modelUser, o JobOptions) string {
		key := m.add(u, m.p[0], o)
		queueMoves["pause"](m, u, m.p[0])
		return key
	},
	"delayed": func(m *machine, u *modelUser, o JobOptions) string {
		o.Delay = modelDelay * 1e6
		return m.add(u, m.p[0], o)
	},
	"prioritized": func(m *machine, u *modelUser, o JobOptions) string {
		o.Priority = 2
		return m.add(u, m.p[0], o)
	},
	"active":    func(m *machine, u *modelUser, o JobOptions) string { return m.run(u, o) },
	"completed": func(m *machine, u *modelUser, o JobOptions) string { return m.run(u, o, outComplete) },
	"failed":    func(m *machine, u *modelUser, o JobOptions) string { return m.run(u, o, outUnrecoverable) },
	"suspected": func(m *machine, u *modelUser, o JobOptions) string { // active for longer than an interval
		key := m.run(u, o)
		m.stalled(u, m.p[0])
		return key
	},
	"lost": func(m *machine, u *modelUser, o JobOptions) string { // active, its worker is gone
		key := m.run(u, o)
		m.stalled(u, m.p[0])
		m.loseLock(key)
		return key
	},
	"waiting-children": func(m *machine, u *modelUser, o JobOptions) string {
		key := m.run(u, o)
		m.add(u, m.p[1], JobOptions{ID: "below", Parent: &ParentRef{ID: "x", Queue: "bull:a"}, OnFailure: FailParent})
		m.settle(m.held[len(m.held)-1], outChildren)
		return key
	},
	"gone": func(m *machine, u *modelUser, o JobOptions) string {
		key := m.add(u, m.p[0], o)
		m.remove(u, key, true)
		return key
	},
}

// run adds a job and has it run, to the ends given.
func (m *machine) run(u *modelUser, o JobOptions, ends ...outcome) string {
	o.LIFO = true // or another would run first
	key := m.add(u, m.p[0], o)
	m.fetch(u, m.p[0])
	for _, end := range ends {
		m.settle(m.held[len(m.held)-1], end)
	}
	return key
}

// TestStatesModel tries each move on a job of each state, with
// each meaning that its failure can have for its parent, and under each way of pausing.
func TestStatesModel(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: redistest.Addr(t)})
	t.Cleanup(func() { _ = rdb.Close() })
	moves := map[string]func(m *machine, u *modelUser, key string){
		"fetch": func(m *machine, u *modelUser, _ string) { m.fetch(u, m.p[0]) },
		"add":   func(m *machine, u *modelUser, _ string) { m.add(u, m.p[0], JobOptions{ID: "x"}) },
		"add child": func(m *machine, u *modelUser, key string) {
			m.add(u, m.p[1], JobOptions{ID: "c", Parent: &ParentRef{ID: "x", Queue: "bull:a"}})
		},
		"due": func(m *machine, u *modelUser, _ string) { m.w.now += modelDelay; m.fetch(u, m.p[0]) },
	}
	ending := map[string]bool{}
	for _, o := range outcomes {
		ending[string(o)] = true
		moves[string(o)] = func(m *machine, _ *modelUser, key string) {
			for _, h := range slices.Clone(m.held) {
				if h.key == key {
					m.settle(h, o)
				}
			}
		}
	}
	for name, move := range queueMoves {
		moves[name] = func(m *machine, u *modelUser, _ string) { m.w.now += cleanGrace; move(m, u, m.p[0]) }
	}
	maps.Copy(moves, jobMoves)
	for _, mode := range []PauseMode{PauseInPlace, PauseMoves} {
		for onFailure := FailureNone; onFailure <= RemoveDependency; onFailure++ {
			for from, prepare := range inState {
				for name, move := range moves {
					if _, ends := ending[name]; onFailure != FailParent && (!ends || mode == PauseMoves) {
						continue // what a failure means shows where runs end
					}
					t.Run(fmt.Sprintf("pause mode %d, on failure %d: %s when %s", mode, onFailure, name, from), func(t *testing.T) {
						m := newMachine(t, rdb, mode)
						u := m.clients[0]
						m.add(u, m.p[1], JobOptions{ID: "parent"})
						m.fetch(u, m.p[1])
						key := prepare(m, u, JobOptions{ID: "x", Attempts: 2, Parent: &ParentRef{ID: "parent", Queue: "bull:b"}, OnFailure: onFailure})
						m.settle(m.held[0], outChildren)
						move(m, u, key)
						m.check()
					})
				}
			}
		}
	}
}
