package storetest

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var eventJobs = []promise{
	{"CreateEvent keeps a job's id if its queue is the lane's", eventJob},
	{"ForgetJob takes a job from all events of a lane but one", forgetJob},
}

func eventJob(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for _, c := range []struct {
		queue schoolbell.Lane
		many  bool
		want  string
	}{
		{schoolbell.LaneUrgent, false, "Größe/1"},
		{schoolbell.LaneUrgent, true, "Größe/1"},
		{schoolbell.LaneNormal, false, ""},
		{schoolbell.LaneNormal, true, ""},
	} {
		ev := newEvent(toStudents())
		ev.Category, ev.Lane, ev.JobID = schoolbell.CategoryUrgent, c.queue, "Größe/1"
		stored, err := s.createAs(ev, c.many)
		s.must(err)
		read, err := s.Events.Event(s.ctx(), ev.ID)
		s.must(err)
		same(t, "stored event", stored, read)
		if read.JobID != c.want || read.Lane != schoolbell.LaneUrgent {
			t.Errorf("job id %q of lane %s, want %q", read.JobID, read.Lane, c.want)
		}
		waves, err := s.Waves.UnqueuedWaves(s.ctx(), 0, 10)
		s.must(err)
		if last := waves[len(waves)-1]; last.EventID != ev.ID || last.JobID != c.want {
			t.Errorf("the relay gets %+v", last)
		}
	}
}

func forgetJob(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	add := func(lane schoolbell.Lane, job string) string {
		ev := newEvent(toStudents())
		ev.Lane, ev.JobID = lane, job
		if lane == schoolbell.LaneUrgent {
			ev.Category = schoolbell.CategoryUrgent
		}
		return s.create(ev)
	}
	one, two := add(schoolbell.LaneNormal, "7"), add(schoolbell.LaneNormal, "7")
	elsewhere, other := add(schoolbell.LaneUrgent, "7"), add(schoolbell.LaneNormal, "8")
	want := func(wants map[string]string) {
		t.Helper()
		for id, job := range wants {
			ev, err := s.Events.Event(s.ctx(), id)
			s.must(err)
			if ev.JobID != job {
				t.Errorf("event has job %q, want %q", ev.JobID, job)
			}
		}
	}
	s.must(s.Events.ForgetJob(s.ctx(), schoolbell.LaneNormal, "7", two))
	want(map[string]string{one: "", two: "7", elsewhere: "7", other: "8"})
	s.must(s.Events.ForgetJob(s.ctx(), schoolbell.LaneNormal, "7", ""))
	s.must(s.Events.ForgetJob(s.ctx(), schoolbell.LaneNormal, "", ""))
	want(map[string]string{one: "", two: "", elsewhere: "7", other: "8"})
}

// createAs creates an event alone or as one of many.
func (s *testStore) createAs(ev *schoolbell.Event, many bool) (*schoolbell.Event, error) {
	if !many {
		stored, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
		return stored, err
	}
	created, err := s.Events.CreateEvents(s.ctx(), []ledger.NewEvent{{Event: ev}}, nil)
	if err != nil {
		return nil, err
	}
	return created[0].Event, created[0].Err
}
