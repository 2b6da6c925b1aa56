package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var outbox = []promise{
	{"UnqueuedWaves has what starts soon until it is marked queued", eventOutbox},
	{"OpenWaves pages over the events that have jobs", eventOpen},
}

// anyTime is so far ahead that every wave starts before.
const anyTime = time.Duration(math.MaxInt64)

func eventOutbox(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	scheduled := func(in time.Duration) string {
		ev := newEvent(toStudents())
		ev.Status, ev.SendAt = schoolbell.EventScheduled, schoolbell.Time(time.Now().Add(in))
		return s.create(ev)
	}
	later, soon := scheduled(time.Hour), scheduled(time.Minute)
	due, second := s.create(newEvent(toStudents())), s.create(newEvent(toStudents()))
	past := scheduled(-time.Minute)
	cancelled := s.create(newEvent(toStudents()))
	_, err := s.Events.CancelEvent(s.ctx(), cancelled)
	s.must(err)
	outbox := func(ahead time.Duration, limit int) (ids []string, waves []ledger.QueuedWave) {
		t.Helper()
		waves, err := s.Waves.UnqueuedWaves(s.ctx(), ahead, limit)
		s.must(err)
		for _, w := range waves {
			ids = append(ids, w.EventID)
		}
		return ids, waves
	}

	for _, c := range []struct {
		ahead time.Duration
		limit int
		want  []string
	}{
		{0, 10, []string{due, second, past}},
		{0, 1, []string{due}},
		{30 * time.Second, 10, []string{due, second, past}},
		{2 * time.Minute, 10, []string{due, second, past, soon}},
		{2 * time.Hour, 10, []string{due, second, past, soon, later}},
		{2 * time.Hour, 4, []string{due, second, past, soon}},
		{anyTime, 10, []string{due, second, past, soon, later}},
	} {
		got, _ := outbox(c.ahead, c.limit)
		same(t, fmt.Sprintf("up to %d waves that start within %v", c.limit, c.ahead), got, c.want)
	}
	_, waves := outbox(anyTime, 10)
	same(t, "the first wave", waves[0], ledger.QueuedWave{WaveRef: zeroth(due), Lane: schoolbell.LaneNormal})
	same(t, "until the start of a wave in the past", waves[2].StartIn, time.Duration(0))
	if in := waves[4].StartIn; in <= 59*time.Minute || in > time.Hour {
		t.Errorf("the scheduled event is due in %v, want about an hour", in)
	}

	s.must(s.Waves.MarkQueued(s.ctx(), []ledger.WaveRef{zeroth(due), zeroth(past), zeroth("unknown"), {EventID: due, Wave: 9}}))
	s.must(s.Waves.MarkQueued(s.ctx(), []ledger.WaveRef{zeroth(due), zeroth(second)}))
	s.must(s.Waves.MarkQueued(s.ctx(), nil))
	left, _ := outbox(anyTime, 10)
	same(t, "waves after MarkQueued", left, []string{soon, later})
}

func eventOpen(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	var ids []string
	var waves []ledger.WaveRef
	for range 5 {
		ids = append(ids, s.create(newEvent(toStudents(), schoolbell.ChannelInApp)))
		waves = append(waves, zeroth(ids[len(ids)-1]))
	}
	unqueued := s.create(newEvent(toStudents()))
	s.must(s.Waves.MarkQueued(s.ctx(), waves))
	_, err := s.Events.CancelEvent(s.ctx(), ids[1])
	s.must(err)
	s.walk(ids[2], 10, 10)
	s.walk(ids[3], 10, 10)
	_, err = s.Waves.FinishWave(s.ctx(), zeroth(ids[3]))
	s.must(err)
	var got []ledger.QueuedWave
	for after := (ledger.WaveRef{}); ; {
		page, err := s.Waves.OpenWaves(s.ctx(), after, 2)
		s.must(err)
		got = append(got, page...)
		if len(page) < 2 {
			break
		}
		after = page[1].WaveRef
	}
	same(t, "open events without "+unqueued, got, []ledger.QueuedWave{{WaveRef: waves[0], Lane: schoolbell.LaneNormal},
		{WaveRef: waves[2], Lane: schoolbell.LaneNormal, Walked: true}, {WaveRef: waves[4], Lane: schoolbell.LaneNormal}})
}
