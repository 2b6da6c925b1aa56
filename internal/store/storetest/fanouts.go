package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var fanOuts = []promise{
	{"FanOut creates deliveries, inbox items and batches", fanOutRows},
	{"FanOut continues at the cursor, chunk by chunk, to the end", fanOutChunks},
	{"FanOut fills its chunks from people who are spread thinly", fanOutSparse},
	{"FanOut marks the wave queued", fanOutQueued},
	{"FanOut that is cancelled leaves nothing behind", fanOutAbandoned},
	{"FanOut by many callers creates every row once", fanOutConcurrent},
	{"FanOut suppresses whom it may not or cannot reach", fanOutSuppressed},
	{"FanOut of a mandatory category ignores opt-outs", fanOutMandatory},
	{"FanOut of a scheduled event waits for its time", fanOutScheduled},
	{"FanOut of a terminal event does nothing", fanOutTerminal},
	{"FanOut of an expired event records the rest as expired", fanOutExpired},
	{"FanOut that reaches nobody is done at once", fanOutNobody},
	{"OpenBatches pages over the batches that are not finished", openBatches},
	{"Inbox positions grow in commit order with many fan-outs", commitOrder},
}

func fanOutQueued(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	s.walk(s.create(newEvent(toStudents())), 1, 10)
	other := s.create(newEvent(toStudents()))
	out, err := s.Waves.UnqueuedWaves(s.ctx(), 0, 10)
	s.must(err)
	same(t, "waves without a job", out, []ledger.QueuedWave{{WaveRef: zeroth(other), Lane: schoolbell.LaneNormal}})
}

func fanOutRows(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(25)
	id := s.create(newEvent(toStudents()))
	step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 100, 10)
	s.must(err)
	same(t, "step", step, ledger.FanOutStep{Users: 25, InApp: 25, Done: true, Batches: []ledger.Batch{
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 1, Size: 10},
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 2, Size: 10},
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 3, Size: 5},
	}})
	same(t, "people reached by email", s.reached(id, schoolbell.ChannelEmail), ids)
	same(t, "email rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryPending: 25})
	same(t, "in-app rows", s.tally(id, schoolbell.ChannelInApp), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 25})
	for _, user := range ids {
		same(t, "inbox of "+user, s.inbox(user), []string{id})
	}
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	same(t, "status", ev.Status, schoolbell.EventProcessing)
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "progress", p, schoolbell.Progress{Percent: 50, Total: 50, Done: 25, Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{
		schoolbell.ChannelInApp: {Total: 25, Sent: 25}, schoolbell.ChannelEmail: {Total: 25, Pending: 25}}})
}

func fanOutChunks(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(25)
	id := s.create(newEvent(toStudents()))
	var sizes []int
	var seqs []int
	for {
		step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 4)
		s.must(err)
		sizes = append(sizes, step.Users)
		for _, b := range step.Batches {
			seqs = append(seqs, b.Seq)
		}
		if step.Done {
			break
		}
		p, err := s.Events.Progress(s.ctx(), id)
		s.must(err)
		if p.Percent == 100 {
			t.Error("a walk that is not at its end counts as 100 %")
		}
	}
	same(t, "people in each chunk", sizes, []int{10, 10, 5})
	same(t, "batch numbers", seqs, []int{1, 2, 3, 4, 5, 6, 7, 8})
	same(t, "people reached", s.reached(id, schoolbell.ChannelEmail), ids)
	step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 4)
	s.must(err)
	same(t, "a call after the last chunk", step, ledger.FanOutStep{Done: true})
	s.put(person("latecomer"))
	_, n := s.walk(id, 10, 4)
	if n != 0 || len(s.inbox("latecomer")) != 0 {
		t.Error("a walk that had ended went on")
	}
}

func fanOutSparse(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	var want []string
	s.people(2_000, func(i int, u *schoolbell.User) {
		if i%97 == 3 {
			u.Roles, want = []schoolbell.Role{schoolbell.RoleTeacher}, append(want, u.ID)
		}
	})
	id := s.create(newEvent(schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleTeacher}}}))
	var sizes []int
	for done := false; !done; {
		step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 8, 8)
		s.must(err)
		if step.Users > 0 {
			sizes = append(sizes, step.Users)
		}
		done = step.Done
	}
	same(t, "people in each chunk", sizes, []int{8, 8, 5})
	same(t, "people reached", s.reached(id, schoolbell.ChannelInApp), want)
}

// endAfter is a context that ends when it has been looked at n times: it cuts a
// cancel in the middle, wherever that is, without a clock.
type endAfter struct {
	context.Context
	mu     sync.Mutex
	n      int
	done   chan struct{}
	closed bool
}

func newEndAfter(ctx context.Context, n int) *endAfter {
	return &endAfter{Context: ctx, n: n, done: make(chan struct{})}
}

func (c *endAfter) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n < 0 && !c.closed {
		c.closed = true
		close(c.done)
	}
}

func (c *endAfter) Done() <-chan struct{} { c.look(); return c.done }

func (c *endAfter) Err() error {
	c.look()
	select {
	case <-c.done:
		return context.Canceled
	default:
		return c.Context.Err()
	}
}

func fanOutAbandoned(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(30)
	id := s.create(newEvent(toStudents()))
	_, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 5)
	s.must(err)
	cut, whole := 0, 0
	for n := 0; n < 400; n += 1 + n/8 {
		before := len(s.reached(id, schoolbell.ChannelEmail))
		step, err := s.FanOuts.FanOut(newEndAfter(s.ctx(), n), zeroth(id), 10, 5)
		after := len(s.reached(id, schoolbell.ChannelEmail))
		switch {
		case err != nil:
			cut++
			if after != before && after != before+10 { // a commit may have been answered too late
				t.Fatalf("abandoned after %d looks: %d rows became %d", n, before, after)
			}
		case !step.Done || step.Users > 0:
			whole++
		}
		if in := len(s.reached(id, schoolbell.ChannelInApp)); in != after {
			t.Fatalf("%d in-app rows beside %d email rows", in, after)
		}
	}
	if cut == 0 {
		t.Fatal("no call was cut off")
	}
	batches, _ := s.walk(id, 10, 5)
	_ = batches
	same(t, "people reached", s.reached(id, schoolbell.ChannelEmail), ids)
	open1, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 100)
	s.must(err)
	if len(open1) != 6 {
		t.Errorf("%d batches of 5 for 30 people", len(open1))
	}
	for _, user := range ids {
		if in := s.inbox(user); len(in) != 1 {
			t.Errorf("%s has %d inbox items", user, len(in))
		}
	}
}

func fanOutConcurrent(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	ids := a.people(300)
	id := a.create(newEvent(toStudents()))
	var mu sync.Mutex
	users, sizes := 0, map[int]int{}
	var wg sync.WaitGroup
	for i := range 8 {
		s := []*testStore{a, b}[i%2]
		wg.Go(func() {
			for {
				step, err := s.FanOuts.FanOut(t.Context(), zeroth(id), 17, 5)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				users += step.Users
				for _, batch := range step.Batches {
					sizes[batch.Seq] += batch.Size
				}
				mu.Unlock()
				if step.Done {
					return
				}
			}
		})
	}
	wg.Wait()
	same(t, "people counted", users, 300)
	total := 0
	for seq := 1; seq <= len(sizes); seq++ {
		total += sizes[seq]
	}
	same(t, "rows in batches numbered from 1", total, 300)
	same(t, "people reached by email", a.reached(id, schoolbell.ChannelEmail), ids)
	same(t, "people reached in-app", b.reached(id, schoolbell.ChannelInApp), ids)
	for _, user := range ids {
		if in := a.inbox(user); len(in) != 1 {
			t.Errorf("%s has %d inbox items", user, len(in))
		}
	}
}

func (s *testStore) optOut(user string, category schoolbell.Category, channel schoolbell.Channel) {
	s.t.Helper()
	s.must(s.People.PutPreferences(s.ctx(), user, []schoolbell.Preference{{Category: category, Channel: channel, Mode: schoolbell.ModeOff}}))
}

func fanOutSuppressed(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(6, func(i int, u *schoolbell.User) {
		if i == 1 {
			u.Email = ""
		}
		if i != 3 {
			u.Phone = "+442079460018"
		}
	})
	s.optOut(userID(2), schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	s.optOut(userID(4), schoolbell.CategoryDigest, schoolbell.ChannelEmail)
	s.must(s.People.PutPreferences(s.ctx(), userID(5), []schoolbell.Preference{{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail}}))
	id := s.create(newEvent(toStudents(), schoolbell.Channels()...))
	batches, _ := s.walk(id, 100, 100)
	same(t, "batches", batches, []ledger.Batch{
		{EventID: id, Channel: schoolbell.ChannelEmail, Seq: 1, Size: 4}, {EventID: id, Channel: schoolbell.ChannelSMS, Seq: 1, Size: 5}})
	reasons := map[string]string{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliverySuppressed}) {
		if d.Channel != schoolbell.ChannelPush {
			reasons[string(d.Channel)+" "+d.UserID] = d.Reason
		}
	}
	same(t, "suppressed rows", reasons, map[string]string{"email " + userID(1): schoolbell.ReasonNoAddress,
		"email " + userID(2): schoolbell.ReasonOptedOut, "sms " + userID(3): schoolbell.ReasonNoAddress})
	same(t, "push rows", s.tally(id, schoolbell.ChannelPush), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySuppressed: 6})
	same(t, "in-app rows", s.tally(id, schoolbell.ChannelInApp), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 6})
}

func fanOutMandatory(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	s.optOut(userID(0), schoolbell.CategoryUrgent, schoolbell.ChannelEmail)
	ev := newEvent(toStudents(), schoolbell.ChannelEmail)
	ev.Category = schoolbell.CategoryUrgent
	id := s.create(ev)
	batches, _ := s.walk(id, 100, 100)
	if g := s.advance(s.lease(), batches[0], nil, 10); len(g.Recipients) != 2 {
		t.Errorf("%d people can be sent to, want 2", len(g.Recipients))
	}
}

func fanOutScheduled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	later, due := newEvent(toStudents()), newEvent(toStudents())
	later.Status, later.SendAt = schoolbell.EventScheduled, schoolbell.Time(time.Now().Add(time.Hour))
	due.Status, due.SendAt = schoolbell.EventScheduled, schoolbell.Time(time.Now().Add(-time.Minute))
	s.create(later)
	s.create(due)
	_, err := s.FanOuts.FanOut(s.ctx(), zeroth(later.ID), 10, 10)
	wantCode(t, err, schoolbell.CodeConflict)
	if n := len(s.rows(later.ID, schoolbell.DeliveryFilter{})); n != 0 {
		t.Errorf("an event that is not due has %d deliveries", n)
	}
	if _, n := s.walk(due.ID, 10, 10); n != 3 {
		t.Errorf("a due event reaches %d people, want 3", n)
	}
	ev, err := s.Events.Event(s.ctx(), due.ID)
	s.must(err)
	same(t, "status", ev.Status, schoolbell.EventProcessing)
}

func fanOutTerminal(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(20)
	id := s.create(newEvent(toStudents()))
	_, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 10)
	s.must(err)
	_, err = s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 10)
	s.must(err)
	same(t, "step of a cancelled event", step, ledger.FanOutStep{Done: true})
	same(t, "people reached", len(s.reached(id, schoolbell.ChannelInApp)), 10)
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "percent of a cancelled event", p.Percent, 100)
}

func fanOutExpired(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(5)
	ev := newEvent(toStudents())
	ev.ExpiresAt = schoolbell.Time(time.Now().Add(-time.Second))
	id := s.create(ev)
	batches, n := s.walk(id, 3, 2)
	if len(batches) != 0 || n != 5 {
		t.Errorf("%d batches for %d people, want none for 5", len(batches), n)
	}
	for _, c := range ev.Channels {
		same(t, string(c)+" rows", s.tally(id, c), map[schoolbell.DeliveryStatus]int{schoolbell.DeliveryExpired: 5})
	}
	same(t, "inbox", s.inbox(userID(0)), []string{})
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "status", sum.Status, schoolbell.EventCompleted)
}

func fanOutNobody(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id := s.create(newEvent(toStudents()))
	step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), 10, 10)
	s.must(err)
	same(t, "step", step, ledger.FanOutStep{Done: true})
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "summary", sum, ledger.Summary{EventID: id, Status: schoolbell.EventCompleted, Finished: true,
		Progress: schoolbell.Progress{Percent: 100, Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{}}})
}

func openBatches(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(10, func(_ int, u *schoolbell.User) { u.Phone = "+442079460018" })
	id := s.create(newEvent(toStudents(), schoolbell.ChannelSMS, schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 100, 3)
	if g := s.deliver(s.lease(), batches[1], schoolbell.DeliverySent); !g.Finished {
		t.Fatalf("a delivered batch is not finished: %+v", g)
	}
	var got []ledger.Batch
	for after := (*ledger.Batch)(nil); ; {
		page, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), after, 2)
		s.must(err)
		got = append(got, page...)
		if len(page) < 2 {
			break
		}
		after = &page[1]
	}
	want := slices.Delete(slices.Clone(batches), 1, 2)
	slices.SortStableFunc(want, func(a, b ledger.Batch) int {
		order := schoolbell.Channels()
		return slices.Index(order, a.Channel) - slices.Index(order, b.Channel)
	})
	same(t, "open batches", got, want)
}
