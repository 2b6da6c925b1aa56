package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var counts = []promise{
	{"Progress agrees with the rows after every random step", func(t *testing.T, open func() *store.Ledger) { randomLives(t, open, 1) }},
	{"Progress agrees with the rows after other random steps", func(t *testing.T, open func() *store.Ledger) { randomLives(t, open, 2) }},
	{"Progress agrees with the rows while workers deliver", countsOfManyWorkers},
}

// life is a random sequence of everything that changes deliveries.
type life struct {
	*testStore
	rand    *rand.Rand
	people  []string
	events  []string
	waves   []ledger.WaveRef // that may have a chunk to walk
	batches []ledger.Batch
	leases  []ledger.Lease
	held    []holding
	numbers []int64 // of users that were claimed
	n       int     // receipts so far
}

// holding is a claim that was not recorded.
type holding struct {
	lease ledger.Lease
	batch ledger.Batch
	rows  []ledger.Recipient
}

func randomLives(t *testing.T, open func() *store.Ledger, seed uint64) {
	l := &life{testStore: newTestStore(t, open()), rand: rand.New(rand.NewPCG(seed, seed))}
	l.people = l.testStore.people(30, func(i int, u *schoolbell.User) {
		if i%7 == 0 {
			u.Email = ""
		}
	})
	l.leases = []ledger.Lease{l.lease(), l.lease()}
	steps := []struct {
		weight int
		name   string
		do     func()
	}{
		{2, "create", l.create}, {8, "walk", l.walk}, {16, "claim", l.claim}, {16, "record", l.record}, {4, "receive", l.receive},
		{4, "read", l.read}, {1, "opt out", l.optOut}, {1, "delete user", l.deleteUser}, {1, "kill lease", l.killLease},
		{1, "close lease", l.closeLease}, {2, "retry", l.retry}, {1, "cancel", l.cancel}, {3, "finish", l.finish}, {1, "add wave", l.addWave},
	}
	var draw []int
	for i, s := range steps {
		for range s.weight {
			draw = append(draw, i)
		}
	}
	l.create()
	for n := range 250 {
		s := steps[draw[l.rand.IntN(len(draw))]]
		s.do()
		for _, id := range l.events {
			l.wantCounted(id, fmt.Sprintf("seed %d, step %d (%s)", seed, n, s.name))
		}
		if t.Failed() {
			return
		}
	}
}

// wantCounted compares the progress of an event with its deliveries. Percent and the number of the event's
// waves are compared elsewhere.
func (s *testStore) wantCounted(id, when string) {
	s.t.Helper()
	waves := map[int]map[schoolbell.Channel]schoolbell.ChannelProgress{}
	var at ledger.DeliveryCursor
	for {
		page, next, err := s.Reports.Deliveries(s.ctx(), id, schoolbell.DeliveryFilter{}, at, 1_000)
		s.must(err)
		for _, d := range page {
			if waves[d.Wave] == nil {
				waves[d.Wave] = map[schoolbell.Channel]schoolbell.ChannelProgress{}
			}
			p := waves[d.Wave][d.Channel]
			p.Add(d.Status, d.Outcome, 1)
			waves[d.Wave][d.Channel] = p
		}
		if at = next; len(page) < 1_000 {
			break
		}
	}
	got, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	want := schoolbell.NewProgress(waves, true)
	want.Percent = got.Percent
	same(s.t, "progress and rows after "+when, got, want)
}

func (l *life) create() {
	if len(l.events) == 4 {
		return
	}
	id := l.testStore.create(newEvent(toStudents()))
	l.events, l.waves = append(l.events, id), append(l.waves, zeroth(id))
}

func (l *life) addWave() {
	w, err := l.Waves.AddWave(l.ctx(), pick(l, l.events), toEmail())
	if err == nil {
		l.waves = append(l.waves, ledger.WaveRef{EventID: pick(l, l.events), Wave: w.Number})
	} else {
		wantCode(l.t, err, schoolbell.CodeConflict)
	}
}

func (l *life) walk() {
	step, err := l.FanOuts.FanOut(l.ctx(), pick(l, l.waves), 1+l.rand.IntN(20), 1+l.rand.IntN(10))
	l.batches = append(l.batches, step.Batches...)
	l.orConflict(err)
}

// orConflict accepts that the ledger refuses a step in the state that the event is in.
func (l *life) orConflict(err error) {
	l.t.Helper()
	if err != nil && schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
		wantCode(l.t, err, schoolbell.CodeConflict)
	}
}

func pick[T any](l *life, from []T) T { return from[l.rand.IntN(len(from))] }

// claim claims rows of some batches together, perhaps of one of them twice.
func (l *life) claim() {
	if len(l.batches) == 0 {
		return
	}
	var steps []ledger.Step
	for range 1 + l.rand.IntN(3) {
		steps = append(steps, l.claimStep())
	}
	l.together(steps)
}

func (l *life) claimStep() ledger.Step {
	return ledger.Step{Lease: pick(l, l.leases), Batch: pick(l, l.batches), Claim: 1 + l.rand.IntN(6)}
}

// together does steps in one call and holds what they claim.
func (l *life) together(steps []ledger.Step) {
	grants, err := l.Deliveries.Advance(l.ctx(), steps)
	l.must(err)
	for i, g := range grants {
		l.must(g.Err)
		l.hold(holding{lease: steps[i].Lease, batch: steps[i].Batch, rows: g.Recipients})
	}
}

func (l *life) hold(h holding) {
	if len(h.rows) == 0 {
		return
	}
	l.held = append(l.held, h)
	for _, r := range h.rows {
		l.numbers = append(l.numbers, r.Seq)
	}
}

// record records some rows of one claim, with or without a further claim, and perhaps together with a claim
// of another batch.
func (l *life) record() {
	if len(l.held) == 0 {
		return
	}
	i := l.rand.IntN(len(l.held))
	h := &l.held[i]
	n := 1 + l.rand.IntN(len(h.rows))
	done := attempts(h.rows[:n], schoolbell.DeliverySent)
	for j := range done {
		done[j].Status = pick(l, []schoolbell.DeliveryStatus{schoolbell.DeliverySent, schoolbell.DeliverySent, schoolbell.DeliveryFailed,
			schoolbell.DeliveryPending, schoolbell.DeliveryUncertain})
		done[j].Uncertain = done[j].Status == schoolbell.DeliveryUncertain
		if first := pick(l, l.numbers); done[j].Status == schoolbell.DeliveryPending && first != done[j].Seq && l.rand.IntN(2) == 0 {
			done[j].Reason, done[j].SameAs = schoolbell.ReasonSameAddress, first
		}
	}
	steps := []ledger.Step{{Lease: h.lease, Batch: h.batch, Attempts: done, Claim: l.rand.IntN(2) * 5}}
	if l.rand.IntN(2) == 0 {
		steps = append(steps, l.claimStep())
	}
	if h.rows = h.rows[n:]; len(h.rows) == 0 || l.rand.IntN(8) == 0 { // the rest may stay claimed for ever
		l.held = append(l.held[:i], l.held[i+1:]...)
	}
	l.together(steps)
}

func (l *life) receive() {
	if len(l.numbers) == 0 {
		return
	}
	var rs []schoolbell.Receipt
	for range 1 + l.rand.IntN(5) {
		l.n++
		r := receipt(fmt.Sprint(l.n), pick(l, l.events), ledger.Recipient{Seq: pick(l, l.numbers)},
			pick(l, []schoolbell.ReceiptKind{schoolbell.ReceiptDelivered, schoolbell.ReceiptBounced, schoolbell.ReceiptComplained}))
		r.Wave = l.rand.IntN(2)
		rs = append(rs, r)
	}
	l.testStore.receive(len(rs), rs...)
}

func (l *life) read() {
	user, id := pick(l, l.people), pick(l, l.events)
	var err error
	switch l.rand.IntN(3) {
	case 0:
		_, err = l.Inboxes.MarkRead(l.ctx(), user, id)
	case 1:
		_, err = l.Inboxes.Acknowledge(l.ctx(), user, id)
	default:
		_, err = l.Inboxes.MarkAllRead(l.ctx(), user, 0)
	}
	l.orConflict(err)
}

func (l *life) optOut() {
	l.orConflict(l.People.PutPreferences(l.ctx(), pick(l, l.people), []schoolbell.Preference{
		{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}}))
}

func (l *life) deleteUser() { l.orConflict(l.People.DeleteUser(l.ctx(), pick(l, l.people))) }

func (l *life) killLease() {
	i := l.rand.IntN(len(l.leases))
	l.kill(l.leases[i])
	l.leases[i] = l.lease()
}

func (l *life) closeLease() {
	i := l.rand.IntN(len(l.leases))
	l.must(l.Leases.CloseLease(l.ctx(), l.leases[i]))
	l.leases[i] = l.lease()
}

func (l *life) retry() {
	only := []schoolbell.RetryFilter{{}, {Channel: schoolbell.ChannelEmail}, {Reasons: []string{""}}, {Channel: schoolbell.ChannelEmail, Reasons: []string{"because"}}}
	_, err := l.Events.RetryFailed(l.ctx(), pick(l, l.events), pick(l, only))
	l.orConflict(err)
}

func (l *life) cancel() {
	if l.rand.IntN(3) == 0 {
		_, err := l.Events.CancelEvent(l.ctx(), pick(l, l.events))
		l.orConflict(err)
	}
}

func (l *life) finish() {
	_, err := l.Waves.FinishWave(l.ctx(), pick(l, l.waves))
	l.orConflict(err)
}

// countsOfManyWorkers compares progress with rows after many workers have delivered at the same time,
// while receipts, readers and a retry changed the same rows.
func countsOfManyWorkers(t *testing.T, open func() *store.Ledger) {
	a, b := newTestStore(t, open()), newTestStore(t, open())
	ids := a.people(200)
	id := a.create(newEvent(toStudents()))
	batches, _ := a.walk(id, 200, 20)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for range 30 {
			p, err := b.Events.Progress(t.Context(), id)
			if err != nil || p.Total != 400 || p.Channels[schoolbell.ChannelEmail].Total != 200 {
				t.Errorf("progress %+v (%v), want 400 rows at every moment", p, err)
			}
			for i := range 5 {
				if _, err := b.Inboxes.MarkRead(t.Context(), ids[(p.Done+i*7)%len(ids)], id); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	received := make(chan struct{})
	go func() {
		defer close(received)
		for n := range 40 {
			r := receipt(fmt.Sprint(n), id, ledger.Recipient{Seq: int64(1 + n*5)}, schoolbell.ReceiptDelivered)
			if _, err := a.Receipts.RecordReceipts(t.Context(), []schoolbell.Receipt{r}); err != nil {
				t.Error(err)
			}
		}
	}()
	drain(t, []*testStore{a, b}, 6, 7, batches)
	<-watched
	<-received
	a.wantCounted(id, "the work")
}
