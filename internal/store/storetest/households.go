package storetest

import (
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var households = []promise{
	{"A claim tells which addresses others have too", householdShared},
	{"FanOutSmall tells which addresses others have too", householdSmall},
	{"A preview tells which addresses others have too", householdPreview},
	{"FirstOfHouseholds chooses one user for each message", householdFirst},
	{"FirstOfHouseholds agrees in calls at the same time", householdTogether},
	{"Deliveries follow the first of their household", householdFollow},
	{"Deliveries of small events follow in one transaction", householdFinish},
	{"Deliveries follow one in another batch", householdBatches},
	{"Deliveries whose address has changed do not follow", householdMoved},
	{"A retry of a household starts with the first again", householdRetry},
	{"A message that came back fails for its household", householdBounced},
	{"An erased first user leaves the message to the next", householdErased},
	{"A change is told to those who followed too", householdTold},
}

// oneAddress gives the users before n the same address by email, some of them in upper case.
func oneAddress(n int) func(i int, u *schoolbell.User) {
	return func(i int, u *schoolbell.User) {
		switch {
		case i < n && i%2 == 1:
			u.Email = "Family@Example.org"
		case i < n:
			u.Email = "family@example.org"
		}
	}
}

// ask is advance that asks which addresses are shared.
func (s *testStore) ask(l ledger.Lease, b ledger.Batch, attempts []ledger.Attempt, claim int) ledger.Grant {
	s.t.Helper()
	grants, err := s.Deliveries.Advance(s.ctx(), []ledger.Step{{Lease: l, Batch: b, Attempts: attempts, Claim: claim, Shared: true}})
	s.must(err)
	s.must(grants[0].Err)
	return grants[0]
}

func (s *testStore) first(b ledger.Batch, messages ...ledger.HouseholdMessage) map[int64]int64 {
	s.t.Helper()
	first, err := s.Deliveries.FirstOfHouseholds(s.ctx(), b, messages)
	s.must(err)
	return first
}

// follow returns attempts by which recipients follow the user with a number.
func follow(to []ledger.Recipient, first int64) []ledger.Attempt {
	out := attempts(to, schoolbell.DeliveryPending)
	for i := range out {
		out[i].Spent, out[i].Reason, out[i].SameAs, out[i].RetryIn = to[i].Attempts, schoolbell.ReasonSameAddress, first, time.Hour
	}
	return out
}

// household puts n students with one address, and claims an event to them by email in batches of size.
func (s *testStore) household(n, size int) (id string, batches []ledger.Batch, l ledger.Lease, to []ledger.Recipient) {
	s.t.Helper()
	s.people(n, oneAddress(n))
	id = s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ = s.walk(id, n, size)
	l = s.lease()
	for _, b := range batches {
		to = append(to, s.ask(l, b, nil, n).Recipients...)
	}
	return id, batches, l, to
}

// ends returns the status, the reason and the first user of each delivery.
func (s *testStore) ends(id string) (ends [][3]string) {
	s.t.Helper()
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}) {
		ends = append(ends, [3]string{string(d.Status), d.Reason, d.SameAs})
	}
	return ends
}

func sharedOf(to []ledger.Recipient) (shared []bool) {
	for _, r := range to {
		shared = append(shared, r.Shared)
	}
	return shared
}

func householdShared(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(5, oneAddress(2), func(i int, u *schoolbell.User) {
		u.Phone = []string{"+15550000001", "+15550000002", "+15550000002", "+15550000004", "+15550000005"}[i]
	})
	claim := func(ev *schoolbell.Event, w schoolbell.Wave, ask bool) []bool {
		id := s.create(ev)
		batches, _ := s.walk(id, 10, 10)
		if len(w.Channels) > 0 {
			batches, _ = s.walkWave(s.wave(id, w))
		}
		var shared []bool
		for _, b := range batches {
			grants, err := s.Deliveries.Advance(s.ctx(), []ledger.Step{{Lease: s.lease(), Batch: b, Claim: 10, Shared: ask}})
			s.must(err)
			shared = append(shared, sharedOf(grants[0].Recipients)...)
		}
		return shared
	}
	email, sms := []schoolbell.Channel{schoolbell.ChannelEmail}, []schoolbell.Channel{schoolbell.ChannelSMS}
	same(t, "by email", claim(newEvent(toStudents(), email...), schoolbell.Wave{}, true), []bool{true, true, false, false, false})
	same(t, "by email, not asked", claim(newEvent(toStudents(), email...), schoolbell.Wave{}, false), []bool{false, false, false, false, false})
	same(t, "by sms", claim(newEvent(toStudents(), sms...), schoolbell.Wave{}, true), []bool{false, true, true, false, false})
	same(t, "in a wave", claim(newEvent(toStudents()), schoolbell.Wave{Channels: email, OnlyIf: schoolbell.OnlyIfUnread}, true), []bool{true, true, false, false, false})
	same(t, "in a wave to those who have not acknowledged", claim(newEvent(toStudents()), schoolbell.Wave{Channels: email, OnlyIf: schoolbell.OnlyIfUnacknowledged}, true),
		[]bool{false, false, false, false, false})
	moved := person(ids[4])
	moved.Email, moved.Phone = "FAMILY@example.org", "+15550000001"
	s.put(moved)
	same(t, "by email, after another one has the address", claim(newEvent(toStudents(), email...), schoolbell.Wave{}, true), []bool{true, true, false, false, true})
	same(t, "by sms, after another one has the first number", claim(newEvent(toStudents(), sms...), schoolbell.Wave{}, true), []bool{true, true, true, false, true})
}

func householdSmall(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(3, oneAddress(2))
	for _, x := range []struct {
		name string
		ask  bool
		want []bool
	}{{"asked", true, []bool{true, true, false}}, {"not asked", false, []bool{false, false, false}}} {
		step := s.fanOutSmall(s.named(ids...), ledger.SmallClaim{Lease: s.lease(), Channels: byEmail, Most: 5, Shared: x.ask})
		same(t, x.name, sharedOf(step.Grants[0].Recipients), x.want)
	}
}

// sharedAddresses is a visitor that notes shared addresses, by user.
type sharedAddresses map[string]string

func (v sharedAddresses) Begin(*schoolbell.Event) error { return nil }
func (v sharedAddresses) Visit(c ledger.PreviewChunk) error {
	for _, x := range c.Shared {
		v[string(x.Channel)+" "+c.People[x.Person].UserID] = x.Address
	}
	return nil
}

func householdPreview(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(5, func(i int, u *schoolbell.User) {
		u.Phone = "+1555000000" + string(rune('0'+i/4))
		if i == 1 || i == 3 {
			u.Email = "Family@example.org"
		}
	})
	found := sharedAddresses{}
	s.must(s.Previews.Preview(s.ctx(), newEvent(toStudents(), schoolbell.ChannelInApp, schoolbell.ChannelEmail, schoolbell.ChannelSMS), nil, 2, found))
	want := sharedAddresses{"email " + ids[1]: "family@example.org", "email " + ids[3]: "family@example.org"}
	for _, id := range ids[:4] {
		want["sms "+id] = "+15550000000"
	}
	same(t, "shared addresses", found, want)
}

func householdFirst(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, batches, l, to := s.household(4, 10)
	a, b, c, d := to[0].Seq, to[1].Seq, to[2].Seq, to[3].Seq
	same(t, "first", s.first(batches[0], ledger.HouseholdMessage{User: b, Fingerprint: 9}, ledger.HouseholdMessage{User: a, Fingerprint: -1},
		ledger.HouseholdMessage{User: c, Fingerprint: 9}), map[int64]int64{a: a, b: b, c: b})
	same(t, "asked again", s.first(batches[0], ledger.HouseholdMessage{User: c, Fingerprint: 9}, ledger.HouseholdMessage{User: b, Fingerprint: 9}), map[int64]int64{c: b, b: b})
	_, other := s.second(t)
	same(t, "of another event", s.first(other[0], ledger.HouseholdMessage{User: c, Fingerprint: 9}), map[int64]int64{c: c})

	opted := s.advance(l, batches[0], []ledger.Attempt{{Seq: b, Status: schoolbell.DeliverySuppressed, Reason: schoolbell.ReasonOptedOut}}, 0)
	same(t, "lost", opted.Lost, 0)
	same(t, "after the first was suppressed", s.first(batches[0], ledger.HouseholdMessage{User: c, Fingerprint: 9}, ledger.HouseholdMessage{User: d, Fingerprint: 9}), map[int64]int64{c: c, d: c})
	s.advance(l, batches[0], follow(to[2:3], a), 0)
	same(t, "while the first follows another user", s.first(batches[0], ledger.HouseholdMessage{User: d, Fingerprint: 9}), map[int64]int64{d: d})
	_, err := s.Deliveries.FirstOfHouseholds(s.ctx(), ledger.Batch{EventID: "unknown", Channel: schoolbell.ChannelEmail, Seq: 1}, []ledger.HouseholdMessage{{User: a}})
	wantCode(t, err, schoolbell.CodeNotFound)
}

func householdTogether(t *testing.T, open func() *store.Ledger) {
	stores := []*testStore{newTestStore(t, open()), newTestStore(t, open())}
	_, batches, _, to := stores[0].household(12, 4)
	found := make([]map[int64]int64, 8)
	var calls sync.WaitGroup
	for i := range found {
		calls.Go(func() {
			var messages []ledger.HouseholdMessage
			for j := range to { // each call in another order
				r := to[(j*5+i)%len(to)]
				messages = append(messages, ledger.HouseholdMessage{User: r.Seq, Fingerprint: r.Seq % 3})
			}
			var err error
			if found[i], err = stores[i%2].Deliveries.FirstOfHouseholds(t.Context(), batches[i%3], messages); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	for _, f := range found[1:] {
		same(t, "first", f, found[0])
	}
	firsts := map[int64]bool{}
	for _, user := range found[0] {
		firsts[user] = true
	}
	same(t, "firsts", len(firsts), 3)
}

func householdFollow(t *testing.T, open func() *store.Ledger) {
	sent, failed, pending := schoolbell.DeliverySent, schoolbell.DeliveryFailed, schoolbell.DeliveryPending
	suppressed, uncertain := schoolbell.DeliverySuppressed, schoolbell.DeliveryUncertain
	cases := []struct {
		name  string
		first ledger.Attempt
		doubt bool // about the follower
		want  [3]string
	}{
		{"sent", ledger.Attempt{Status: sent}, false, [3]string{"suppressed", "same_address", "first"}},
		{"sent, and the follower perhaps before", ledger.Attempt{Status: sent}, true, [3]string{"uncertain", "same_address", "first"}},
		{"failed", ledger.Attempt{Status: failed, Reason: "550 no"}, false, [3]string{"failed", "550 no", "first"}},
		{"failed, and the follower perhaps sent before", ledger.Attempt{Status: failed, Reason: "550 no"}, true, [3]string{"uncertain", "550 no", "first"}},
		{"uncertain", ledger.Attempt{Status: uncertain, Uncertain: true}, false, [3]string{"suppressed", "same_address", "first"}},
		{"to be tried again", ledger.Attempt{Status: pending, RetryIn: time.Hour, Reason: "451 later"}, false, [3]string{"pending", "same_address", "first"}},
		{"suppressed", ledger.Attempt{Status: suppressed, Reason: schoolbell.ReasonOptedOut}, false, [3]string{"sending", "", ""}},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			s := newTestStore(t, open())
			ids := s.people(2, oneAddress(2))
			id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
			batches, _ := s.walk(id, 10, 10)
			l := s.lease()
			to := s.ask(l, batches[0], nil, 10).Recipients
			x.first.Seq = to[0].Seq
			followers := follow(to[1:], to[0].Seq)
			followers[0].Uncertain, followers[0].RetryIn = x.doubt, 0
			g := s.ask(l, batches[0], append(followers, x.first), 10)
			if x.want[2] != "" {
				x.want[2] = ids[0]
			}
			same(t, "the follower", s.ends(id)[1], x.want)
			s.wantCounted(id, x.name)
			same(t, "finished", g.Finished, x.want[0] != "pending" && x.want[0] != "sending")
			if x.want[0] == "pending" && g.NextIn < 59*time.Minute {
				t.Errorf("the follower is due in %v, before the first", g.NextIn)
			}
			_, err := s.Events.CancelEvent(s.ctx(), id)
			s.must(err)
			if x.want[0] == "pending" {
				same(t, "the follower of a cancelled event", s.ends(id)[1][0], "cancelled")
			}
			s.wantCounted(id, x.name+" and cancelled")
			s.must(s.People.DeleteUser(s.ctx(), ids[0])) // the ledger is used by the next case
			s.must(s.People.DeleteUser(s.ctx(), ids[1]))
		})
	}
}

func householdFinish(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	ids := s.people(3, oneAddress(3))
	id, l := s.named(ids...), s.lease()
	step := s.fanOutSmall(id, ledger.SmallClaim{Lease: l, Channels: byEmail, Most: 5, Shared: true})
	to := step.Grants[0].Recipients
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id), ledger.Step{Lease: l, Batch: step.Batches[0],
		Attempts: append(attempts(to[:1], schoolbell.DeliverySent), follow(to[1:], to[0].Seq)...)})
	s.must(err)
	same(t, "finished", []any{sum.Finished, sum.Grants[0].Finished, sum.Status}, []any{true, true, schoolbell.EventCompleted})
	same(t, "progress", sum.Progress.Channels[schoolbell.ChannelEmail], schoolbell.ChannelProgress{Total: 3, Sent: 1, Suppressed: 2})
	same(t, "deliveries", s.ends(id), [][3]string{{"sent", "", ""}, {"suppressed", "same_address", ids[0]}, {"suppressed", "same_address", ids[0]}})
	s.wantCounted(id, "the end")
}

func householdBatches(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches, l, to := s.household(2, 1)
	g := s.ask(l, batches[1], follow(to[1:], to[0].Seq), 5)
	same(t, "claimed while the first is being sent", len(g.Recipients), 0)
	same(t, "finished", g.Finished, false)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "the wave is finished", sum.Finished, false)
	s.ask(l, batches[0], attempts(to[:1], schoolbell.DeliverySent), 5)
	g = s.ask(l, batches[1], nil, 5)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 1, Suppressed: 1})
	s.wantCounted(id, "the end")
	if sum, err = s.Waves.FinishWave(s.ctx(), zeroth(id)); err != nil || !sum.Finished {
		t.Errorf("the wave ends as %+v, %v", sum, err)
	}
}

func householdMoved(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches, l, to := s.household(2, 10)
	s.ask(l, batches[0], append(follow(to[1:], to[0].Seq), ledger.Attempt{Seq: to[0].Seq, Status: schoolbell.DeliveryPending}), 0)
	moved := person(to[0].UserID)
	moved.Email = "new@example.org"
	s.put(moved)
	again := s.ask(l, batches[0], nil, 10).Recipients
	same(t, "claimed again", len(again), 1)
	g := s.ask(l, batches[0], attempts(again, schoolbell.DeliverySent), 10) // to the new address
	same(t, "claimed for a message of its own", len(g.Recipients), 1)
	same(t, "the follower", s.ends(id)[1], [3]string{"sending", "", ""})
}

func householdRetry(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches, l, to := s.household(3, 10)
	failed := attempts(to[:1], schoolbell.DeliveryFailed)
	failed[0].Reason = "550 no"
	s.ask(l, batches[0], append(failed, follow(to[1:], to[0].Seq)...), 10)
	same(t, "deliveries", s.ends(id), [][3]string{{"failed", "550 no", ""}, {"failed", "550 no", to[0].UserID}, {"failed", "550 no", to[0].UserID}})
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "retried", n, 3)
	s.wantCounted(id, "the retry")
	again := s.ask(l, batches[0], nil, 10).Recipients
	same(t, "claimed", []int{len(again), len(to)}, []int{1, 3})
	g := s.ask(l, batches[0], attempts(again, schoolbell.DeliverySent), 10)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 3, Sent: 1, Suppressed: 2})
	s.wantCounted(id, "the end")
}

func householdBounced(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches, l, to := s.household(3, 2) // the last in a batch of its own, which waits
	s.ask(l, batches[1], follow(to[2:], to[0].Seq), 0)
	s.ask(l, batches[0], append(attempts(to[:1], schoolbell.DeliverySent), follow(to[1:2], to[0].Seq)...), 10)
	s.receive(1, receipt("1", id, to[0], schoolbell.ReceiptDelivered))
	same(t, "after it arrived", s.ends(id)[1], [3]string{"suppressed", "same_address", to[0].UserID})
	s.receive(1, receipt("2", id, to[0], schoolbell.ReceiptBounced))
	same(t, "after it came back", s.ends(id)[1], [3]string{"failed", "because", to[0].UserID})
	s.wantCounted(id, "the bounce")
	s.ask(l, batches[1], nil, 10)
	same(t, "the one that waited", s.ends(id)[2], [3]string{"failed", "because", to[0].UserID})
	s.wantCounted(id, "the end")
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "retried", n, 3)
}

func householdErased(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches, l, to := s.household(3, 10)
	s.ask(l, batches[0], append(follow(to[1:], to[0].Seq), ledger.Attempt{Seq: to[0].Seq, Status: schoolbell.DeliveryPending}), 0)
	s.must(s.People.DeleteUser(s.ctx(), to[0].UserID))
	again := s.ask(l, batches[0], nil, 10).Recipients
	same(t, "claimed", len(again), 2)
	first := s.first(batches[0], ledger.HouseholdMessage{User: again[0].Seq, Fingerprint: 1}, ledger.HouseholdMessage{User: again[1].Seq, Fingerprint: 1})
	same(t, "first", first, map[int64]int64{again[0].Seq: again[0].Seq, again[1].Seq: again[0].Seq})
	s.must(s.People.DeleteUser(s.ctx(), again[1].UserID)) // while it is claimed
	g := s.ask(l, batches[0], append(attempts(again[:1], schoolbell.DeliverySent), follow(again[1:], again[0].Seq)...), 10)
	same(t, "finished", g.Finished, true)
	same(t, "deliveries", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 1, schoolbell.DeliverySuppressed: 2})
	s.wantCounted(id, "the end")
}

func householdTold(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches, l, to := s.household(2, 10)
	s.ask(l, batches[0], append(attempts(to[:1], schoolbell.DeliverySent), follow(to[1:], to[0].Seq)...), 10)
	_, w, err := s.Changes.UpdateEvent(s.ctx(), id, func(ev *schoolbell.Event) (*schoolbell.Event, error) {
		changed := *ev
		changed.Revision++
		return &changed, nil
	})
	s.must(err)
	_, people := s.walkWave(ledger.WaveRef{EventID: id, Wave: w.Number})
	same(t, "told", people, 2)
}
