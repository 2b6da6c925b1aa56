package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var waves = []promise{
	{"AddWave keeps every field and numbers waves from 1", waveRoundTrip},
	{"AddWave refuses ended events, unknown channels and too many", waveRefused},
	{"A wave goes through the outbox once it is added", waveOutbox},
	{"FanOut of a wave heeds its condition", waveFanOut},
	{"FanOut of a wave that has not started is a conflict", waveEarly},
	{"A wave reopens a completed event until it is finished", waveReopens},
	{"Waves have batches and deliveries of their own", waveRows},
	{"CancelEvent ends the waves of an event", waveCancelled},
	{"RetryFailed reopens the failed deliveries of every wave", waveRetry},
}

// wave adds a wave of the channels to an event and names it.
func (s *testStore) wave(id string, w schoolbell.Wave) ledger.WaveRef {
	s.t.Helper()
	w, err := s.Waves.AddWave(s.ctx(), id, w)
	s.must(err)
	return ledger.WaveRef{EventID: id, Wave: w.Number}
}

func toEmail() schoolbell.Wave {
	return schoolbell.Wave{Channels: []schoolbell.Channel{schoolbell.ChannelEmail}}
}

// walkWave fans a wave out to its end.
func (s *testStore) walkWave(w ledger.WaveRef) (batches []ledger.Batch, people int) {
	s.t.Helper()
	for {
		step, err := s.FanOuts.FanOut(s.ctx(), w, 2, 10)
		s.must(err)
		batches, people = append(batches, step.Batches...), people+step.Users
		if step.Done {
			return batches, people
		}
	}
}

func waveRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id := s.create(newEvent(toStudents()))
	first := schoolbell.Wave{Channels: []schoolbell.Channel{schoolbell.ChannelSMS, schoolbell.ChannelEmail}, OnlyIf: schoolbell.OnlyIfUnread,
		StartsAt: schoolbell.Time(time.Now().Add(time.Hour))}
	added, err := s.Waves.AddWave(s.ctx(), id, first)
	s.must(err)
	first.Number = 1
	same(t, "wave", added, first)
	second, err := s.Waves.AddWave(s.ctx(), id, toEmail())
	s.must(err)
	if second.Number != 2 || second.StartsAt.IsZero() || time.Since(second.StartsAt) > time.Minute {
		t.Errorf("a wave without a start is %+v, want number 2, from now on", second)
	}
	all, err := s.Waves.Waves(s.ctx(), id)
	s.must(err)
	same(t, "waves", all, []schoolbell.Wave{first, second})
	_, err = s.Waves.Waves(s.ctx(), "unknown")
	wantCode(t, err, schoolbell.CodeNotFound)
	_, err = s.Waves.AddWave(s.ctx(), "unknown", toEmail())
	wantCode(t, err, schoolbell.CodeNotFound)
}

func waveRefused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id := s.create(newEvent(toStudents()))
	_, err := s.Waves.AddWave(s.ctx(), id, schoolbell.Wave{Channels: []schoolbell.Channel{schoolbell.ChannelEmail, "fax"}})
	wantFields(t, err, "channels[1]")
	for range schoolbell.MaxWaves - 1 {
		s.wave(id, toEmail())
	}
	_, err = s.Waves.AddWave(s.ctx(), id, toEmail())
	wantCode(t, err, schoolbell.CodeConflict)
	cancelled := s.create(newEvent(toStudents()))
	_, err = s.Events.CancelEvent(s.ctx(), cancelled)
	s.must(err)
	_, err = s.Waves.AddWave(s.ctx(), cancelled, toEmail())
	wantCode(t, err, schoolbell.CodeConflict)
	ev := newEvent(toStudents())
	ev.ExpiresAt = schoolbell.Time(time.Now().Add(-time.Minute))
	_, err = s.Waves.AddWave(s.ctx(), s.create(ev), toEmail())
	wantCode(t, err, schoolbell.CodeConflict)
}

func waveOutbox(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id := s.create(newEvent(toStudents()))
	s.must(s.Waves.MarkQueued(s.ctx(), []ledger.WaveRef{zeroth(id)}))
	later := toEmail()
	later.StartsAt = schoolbell.Time(time.Now().Add(time.Hour))
	w := s.wave(id, later)
	out, err := s.Waves.UnqueuedWaves(s.ctx(), 2*time.Hour, 10)
	s.must(err)
	if len(out) != 1 || out[0].WaveRef != w || out[0].StartIn < 59*time.Minute {
		t.Fatalf("the outbox holds %+v", out)
	}
	s.must(s.Waves.MarkQueued(s.ctx(), []ledger.WaveRef{w}))
	opened, err := s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10)
	s.must(err)
	if len(opened) != 2 || opened[0].WaveRef != zeroth(id) || opened[1].WaveRef != w || opened[1].StartIn < 59*time.Minute {
		t.Errorf("open are %+v", opened)
	}
	after, err := s.Waves.OpenWaves(s.ctx(), zeroth(id), 10)
	s.must(err)
	same(t, "open waves after the first", len(after), 1)
	before, err := s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{EventID: id, Wave: -1}, 1)
	s.must(err)
	same(t, "first open wave of the event", before[0].WaveRef, zeroth(id))
}

func waveFanOut(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(5)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(id, 10, 10)
	s.put(person("new")) // not part of wave 0
	for i, do := range []func(user string){
		func(user string) { _, err := s.Inboxes.MarkRead(s.ctx(), user, id); s.must(err) },
		func(user string) { _, err := s.Inboxes.Acknowledge(s.ctx(), user, id); s.must(err) },
	} {
		do(userID(i))
	}
	s.optOut(userID(4), schoolbell.CategoryAnnouncement, schoolbell.ChannelEmail)
	for condition, want := range map[schoolbell.OnlyIf]map[string]schoolbell.DeliveryStatus{
		schoolbell.OnlyIfUnread: {userID(2): schoolbell.DeliveryPending, userID(3): schoolbell.DeliveryPending, userID(4): schoolbell.DeliverySuppressed},
		schoolbell.OnlyIfUnacknowledged: {userID(0): schoolbell.DeliveryPending, userID(2): schoolbell.DeliveryPending, userID(3): schoolbell.DeliveryPending,
			userID(4): schoolbell.DeliverySuppressed},
		"": {userID(0): schoolbell.DeliveryPending, userID(1): schoolbell.DeliveryPending, userID(2): schoolbell.DeliveryPending,
			userID(3): schoolbell.DeliveryPending, userID(4): schoolbell.DeliverySuppressed},
	} {
		to := toEmail()
		to.OnlyIf = condition
		w := s.wave(id, to)
		_, people := s.walkWave(w)
		same(t, "people of a wave to the "+string(condition), people, len(want))
		got := map[string]schoolbell.DeliveryStatus{}
		for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
			if d.Wave == w.Wave {
				got[d.UserID] = d.Status
			}
		}
		same(t, "rows of a wave to the "+string(condition), got, want)
	}
}

func waveEarly(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(id, 10, 10)
	later := toEmail()
	later.StartsAt = schoolbell.Time(time.Now().Add(time.Hour))
	_, err := s.FanOuts.FanOut(s.ctx(), s.wave(id, later), 10, 10)
	wantCode(t, err, schoolbell.CodeConflict)
	_, err = s.FanOuts.FanOut(s.ctx(), ledger.WaveRef{EventID: id, Wave: 7}, 10, 10)
	wantCode(t, err, schoolbell.CodeNotFound)
	unwalked := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	_, err = s.FanOuts.FanOut(s.ctx(), s.wave(unwalked, toEmail()), 10, 10)
	wantCode(t, err, schoolbell.CodeConflict)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "event with a wave that has not started", sum.Status, schoolbell.EventCompleted)
}

func waveReopens(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(id, 10, 10)
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	if sum.Status != schoolbell.EventCompleted || !sum.Finished {
		t.Fatalf("wave 0 ends as %+v", sum)
	}
	w := s.wave(id, toEmail())
	batches, _ := s.walkWave(w)
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	if ev.Status != schoolbell.EventProcessing || !ev.CompletedAt.IsZero() {
		t.Errorf("the event is %s, completed at %v", ev.Status, ev.CompletedAt)
	}
	sum, err = s.Waves.FinishWave(s.ctx(), w)
	s.must(err)
	if sum.Finished || sum.Status != schoolbell.EventProcessing {
		t.Errorf("with open deliveries the wave ends as %+v", sum)
	}
	l := s.lease()
	for _, b := range batches {
		s.deliver(l, b, schoolbell.DeliverySent)
	}
	sum, err = s.Waves.FinishWave(s.ctx(), w)
	s.must(err)
	want := ledger.Summary{EventID: id, Wave: 1, Status: schoolbell.EventCompleted, Finished: true, Progress: schoolbell.Progress{Percent: 100, Total: 6, Done: 6,
		Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{schoolbell.ChannelInApp: {Total: 3, Sent: 3}},
		Waves:    map[int]schoolbell.WaveProgress{1: {Channels: map[schoolbell.Channel]schoolbell.ChannelProgress{schoolbell.ChannelEmail: {Total: 3, Sent: 3}}}}}}
	same(t, "summary", sum, want)
	left, err := s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10)
	s.must(err)
	same(t, "open waves", len(left), 0)
}

func waveRows(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	first, _ := s.walk(id, 10, 10)
	w := s.wave(id, toEmail())
	second, _ := s.walkWave(w)
	if len(second) != 2 || second[0] != (ledger.Batch{EventID: id, Wave: 1, Channel: schoolbell.ChannelEmail, Seq: 1, Size: 2}) {
		t.Fatalf("batches of the wave: %+v", second)
	}
	l := s.lease()
	s.deliver(l, second[0], schoolbell.DeliverySent)
	s.deliver(l, first[0], schoolbell.DeliveryFailed)
	open0, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 10)
	s.must(err)
	same(t, "open batches of wave 0", len(open0), 0)
	open1, err := s.FanOuts.OpenBatches(s.ctx(), w, &second[0], 10)
	s.must(err)
	same(t, "open batches of wave 1", open1, second[1:])
	byWave := map[int]int{}
	last := 0
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
		byWave[d.Wave]++
		if d.Wave < last {
			t.Errorf("wave %d is listed after wave %d", d.Wave, last)
		}
		last = d.Wave
	}
	same(t, "rows by wave", byWave, map[int]int{0: 3, 1: 3})
}

func waveCancelled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(3)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	s.walk(id, 10, 10)
	w := s.wave(id, toEmail())
	s.walkWave(w)
	later := toEmail()
	later.StartsAt = schoolbell.Time(time.Now().Add(time.Hour))
	s.must(s.Waves.MarkQueued(s.ctx(), []ledger.WaveRef{zeroth(id), w, s.wave(id, later)}))
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	same(t, "rows", len(s.rows(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliveryCancelled})), 6)
	left, err := s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10)
	s.must(err)
	same(t, "open waves", len(left), 0)
	unstarted := s.wave2(id)
	step, err := s.FanOuts.FanOut(s.ctx(), unstarted, 10, 10)
	s.must(err)
	same(t, "fan-out of a cancelled event", step, ledger.FanOutStep{Done: true})
}

// wave2 names the second further wave of an event.
func (s *testStore) wave2(id string) ledger.WaveRef { return ledger.WaveRef{EventID: id, Wave: 2} }

func waveRetry(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	w := s.wave(id, toEmail())
	second, _ := s.walkWave(w)
	l := s.lease()
	for _, b := range append(batches, second...) {
		s.deliver(l, b, schoolbell.DeliveryFailed)
	}
	for _, ref := range []ledger.WaveRef{zeroth(id), w} {
		_, err := s.Waves.FinishWave(s.ctx(), ref)
		s.must(err)
	}
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "rows to be sent again", n, 4)
	s.must(s.Waves.MarkQueued(s.ctx(), []ledger.WaveRef{zeroth(id), w}))
	opened, err := s.Waves.OpenWaves(s.ctx(), ledger.WaveRef{}, 10)
	s.must(err)
	same(t, "open waves", len(opened), 2)
}
