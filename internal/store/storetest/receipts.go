package storetest

import (
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var receipts = []promise{
	{"RecordReceipts moves outcomes forward and never back", receiptsForward},
	{"RecordReceipts takes a receipt once", receiptsOnce},
	{"RecordReceipts leaves deliveries alone that were not sent", receiptsUnsent},
	{"RecordReceipts changes the state of the address", receiptsAddress},
	{"RecordReceipts takes what recipients say on the message page", receiptsOfPage},
	{"RecordReceipts gives each kind its outcome and state", receiptsKinds},
	{"A receipt without an event is about everybody", receiptsEverybody},
	{"Outcomes are counted within sent and uncertain", outcomesCounted},
	{"Reading and acknowledging are outcomes in the inbox", outcomesInApp},
	{"RetryFailed sends bounced deliveries again", retryBounced},
	{"A receipt of an in-app delivery changes nothing", receiptInApp},
}

// sentBy puts n students and delivers an email to each, and returns the recipients.
func (s *testStore) delivered(n int, status schoolbell.DeliveryStatus) (id string, to []ledger.Recipient) {
	s.t.Helper()
	id, batches := s.sent(n, n)
	l := s.lease()
	to = s.advance(l, batches[0], nil, n).Recipients
	s.advance(l, batches[0], attempts(to, status), 0)
	return id, to
}

func receipt(id string, event string, to ledger.Recipient, kind schoolbell.ReceiptKind) schoolbell.Receipt {
	return schoolbell.Receipt{Provider: "test", ID: id, EventID: event, Channel: schoolbell.ChannelEmail, User: to.Seq,
		Kind: kind, Reason: "because", At: time.Now()}
}

func (s *testStore) receive(want int, rs ...schoolbell.Receipt) {
	s.t.Helper()
	n, err := s.Receipts.RecordReceipts(s.ctx(), rs)
	s.must(err)
	same(s.t, "receipts recorded", n, want)
}

func (s *testStore) outcomes(id string) map[string]schoolbell.Outcome {
	s.t.Helper()
	out := map[string]schoolbell.Outcome{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
		if d.Outcome != "" {
			out[d.UserID] = d.Outcome
		}
	}
	return out
}

func receiptsForward(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(4, schoolbell.DeliverySent)
	s.receive(4, receipt("1", id, to[0], schoolbell.ReceiptDelivered), receipt("2", id, to[1], schoolbell.ReceiptBounced),
		receipt("3", id, to[1], schoolbell.ReceiptDelivered), receipt("4", id, to[2], schoolbell.ReceiptComplained))
	want := map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeDelivered, userID(1): schoolbell.OutcomeBounced, userID(2): schoolbell.OutcomeComplained}
	same(t, "outcomes", s.outcomes(id), want)
	s.receive(2, receipt("5", id, to[0], schoolbell.ReceiptComplained), receipt("6", id, to[2], schoolbell.ReceiptBounced))
	want[userID(0)] = schoolbell.OutcomeComplained
	same(t, "outcomes", s.outcomes(id), want)
	same(t, "rows with an outcome", len(s.rows(id, schoolbell.DeliveryFilter{Outcome: schoolbell.OutcomeComplained})), 2)
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Outcome: schoolbell.OutcomeBounced}) {
		same(t, "reason of the bounced one", d.Reason, "because")
	}
	same(t, "rows", s.tally(id, schoolbell.ChannelEmail), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 4})
}

func receiptsOnce(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(2, schoolbell.DeliverySent)
	r := receipt("1", id, to[0], schoolbell.ReceiptDelivered)
	s.receive(1, r, r)
	again := receipt("1", id, to[0], schoolbell.ReceiptBounced)
	other := again
	other.Provider = "other"
	s.receive(1, again, other)
	same(t, "outcomes", s.outcomes(id), map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeBounced})
	nobody, nothing, nowhere := receipt("2", id, to[0], schoolbell.ReceiptBounced), receipt("3", "unknown", to[0], schoolbell.ReceiptBounced), receipt("4", id, to[1], schoolbell.ReceiptBounced)
	nobody.User, nowhere.Channel = 1<<40, "fax"
	later := receipt("5", id, to[1], schoolbell.ReceiptBounced)
	later.Wave = 1
	s.receive(4, nobody, nothing, nowhere, later)
	s.receive(0, nobody, nothing, nowhere, later)
	s.receive(0)
	stranger := receipt("6", "unknown", to[1], schoolbell.ReceiptBounced)
	stranger.Address = userID(1) + "@example.org"
	s.receive(1, stranger)
	same(t, "address after a receipt of an unknown event", s.user(userID(1)).Addresses[0].State, schoolbell.AddressUnverified)
	same(t, "outcomes", s.outcomes(id), map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeBounced})
}

func receiptsUnsent(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	for _, status := range []schoolbell.DeliveryStatus{schoolbell.DeliveryFailed, schoolbell.DeliveryPending} {
		id, to := s.delivered(1, status)
		s.receive(1, receipt(string(status), id, to[0], schoolbell.ReceiptDelivered))
		if got := s.outcomes(id); len(got) != 0 {
			t.Errorf("a %s delivery has the outcome %v", status, got)
		}
	}
	id, to := s.delivered(1, schoolbell.DeliveryUncertain)
	s.receive(1, receipt("u", id, to[0], schoolbell.ReceiptDelivered))
	same(t, "outcome of an uncertain delivery", s.outcomes(id), map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeDelivered})
}

func receiptsAddress(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(4, schoolbell.DeliverySent)
	about := func(n int, rid string, kind schoolbell.ReceiptKind, address string) schoolbell.Receipt {
		r := receipt(rid, id, to[n], kind)
		r.Address = address
		return r
	}
	s.receive(5, about(0, "1", schoolbell.ReceiptDelivered, userID(0)+"@example.org"), about(1, "2", schoolbell.ReceiptBounced, userID(1)+"@example.org"),
		about(2, "3", schoolbell.ReceiptComplained, userID(2)+"@example.org"), about(3, "4", schoolbell.ReceiptBounced, "another@example.org"),
		about(1, "5", schoolbell.ReceiptDelivered, userID(1)+"@example.org"))
	var states []schoolbell.AddressState
	for i := range 4 {
		states = append(states, s.user(userID(i)).Addresses[0].State)
	}
	same(t, "states", states, []schoolbell.AddressState{schoolbell.AddressGood, schoolbell.AddressBounced, schoolbell.AddressComplained, schoolbell.AddressUnverified})
	same(t, "reason", s.user(userID(1)).Addresses[0].Reason, "because")
}

func receiptsOfPage(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(3, schoolbell.DeliverySent)
	s.receive(1, receipt("1", id, to[1], schoolbell.ReceiptBounced))
	for i, kind := range []schoolbell.ReceiptKind{schoolbell.ReceiptRead, schoolbell.ReceiptAcknowledged} {
		r := receipt(string(kind), id, to[i], kind)
		r.Provider, r.Address, r.Reason = schoolbell.ReceiptProviderPage, "", ""
		s.receive(1, r)
	}
	s.receive(1, receipt("2", id, to[0], schoolbell.ReceiptComplained))
	same(t, "outcomes", s.outcomes(id), map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeRead, userID(1): schoolbell.OutcomeAcknowledged})
	for i := range 2 {
		same(t, "state of the address", s.user(userID(i)).Addresses[0].State, schoolbell.AddressUnverified)
	}
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "progress", p.Channels, map[schoolbell.Channel]schoolbell.ChannelProgress{
		schoolbell.ChannelEmail: {Total: 3, Sent: 3, Read: 1, Acknowledged: 1}})
}

func receiptsKinds(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	kinds := []struct {
		kind    schoolbell.ReceiptKind
		outcome schoolbell.Outcome
		state   schoolbell.AddressState
	}{
		{schoolbell.ReceiptAccepted, "", schoolbell.AddressUnverified},
		{schoolbell.ReceiptDelivered, schoolbell.OutcomeDelivered, schoolbell.AddressGood},
		{schoolbell.ReceiptFailed, schoolbell.OutcomeBounced, schoolbell.AddressUnverified},
		{schoolbell.ReceiptSoftBounced, schoolbell.OutcomeBounced, schoolbell.AddressUnverified},
		{schoolbell.ReceiptBounced, schoolbell.OutcomeBounced, schoolbell.AddressBounced},
		{schoolbell.ReceiptComplained, schoolbell.OutcomeComplained, schoolbell.AddressComplained},
		{schoolbell.ReceiptRefused, schoolbell.OutcomeBounced, schoolbell.AddressStopped},
		{schoolbell.ReceiptStopped, "", schoolbell.AddressStopped},
		{schoolbell.ReceiptStarted, "", schoolbell.AddressUnverified},
	}
	id, to := s.delivered(len(kinds), schoolbell.DeliverySent)
	var all []schoolbell.Receipt
	for i, k := range kinds {
		r := receipt(string(k.kind), id, to[i], k.kind)
		r.Address = strings.ToUpper(userID(i)) + "@Example.org"
		all = append(all, r)
	}
	s.receive(len(all), all...)
	outcomes := s.outcomes(id)
	for i, k := range kinds {
		same(t, "outcome of "+string(k.kind), outcomes[userID(i)], k.outcome)
		same(t, "state of "+string(k.kind), s.user(userID(i)).Addresses[0].State, k.state)
	}
	weaker, started := receipt("later bounce", id, to[6], schoolbell.ReceiptBounced), receipt("later start", id, to[7], schoolbell.ReceiptStarted)
	weaker.Address, started.Address = userID(6)+"@example.org", userID(7)+"@example.org"
	s.receive(2, weaker, started)
	same(t, "a stopped address after a bounce", s.user(userID(6)).Addresses[0].State, schoolbell.AddressStopped)
	again := s.user(userID(7)).Addresses[0]
	same(t, "a stopped address after a start", again.State, schoolbell.AddressGood)
	same(t, "its reason", again.Reason, "")
}

func receiptsEverybody(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	const phone = "+442079460018"
	for id, number := range map[string]string{"p1": phone, "p2": phone, "p3": "+442079460019"} {
		p := person(id)
		p.Phone = number
		s.put(p)
	}
	state := func(id string) schoolbell.AddressState {
		for _, a := range s.user(id).Addresses {
			if a.Channel == schoolbell.ChannelSMS {
				return a.State
			}
		}
		return ""
	}
	states := func() []schoolbell.AddressState {
		return []schoolbell.AddressState{state("p1"), state("p2"), state("p3")}
	}
	about := func(id string, kind schoolbell.ReceiptKind) schoolbell.Receipt {
		return schoolbell.Receipt{Provider: "test", ID: id, Channel: schoolbell.ChannelSMS, Kind: kind, Address: phone, Reason: "STOP", At: time.Now()}
	}
	s.receive(1, about("1", schoolbell.ReceiptStarted))
	same(t, "states after a start", states(), []schoolbell.AddressState{schoolbell.AddressUnverified, schoolbell.AddressUnverified, schoolbell.AddressUnverified})
	s.receive(1, about("2", schoolbell.ReceiptStopped))
	stopped := []schoolbell.AddressState{schoolbell.AddressStopped, schoolbell.AddressStopped, schoolbell.AddressUnverified}
	same(t, "states after a stop", states(), stopped)
	elsewhere := about("3", schoolbell.ReceiptStarted)
	elsewhere.Channel = schoolbell.ChannelEmail
	s.receive(1, elsewhere)
	same(t, "states after a start on another channel", states(), stopped)
	s.receive(2, about("4", schoolbell.ReceiptStarted), about("5", schoolbell.ReceiptStopped))
	same(t, "states after a start and a stop", states(), stopped)
	s.receive(1, about("6", schoolbell.ReceiptStarted))
	s.receive(0, about("2", schoolbell.ReceiptStopped))
	same(t, "states after a stop came again", states(), []schoolbell.AddressState{schoolbell.AddressGood, schoolbell.AddressGood, schoolbell.AddressUnverified})
}

func outcomesCounted(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(5, 5)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 5).Recipients
	a := attempts(to, schoolbell.DeliverySent)
	a[3].Status, a[4].Status = schoolbell.DeliveryUncertain, schoolbell.DeliveryFailed
	s.advance(l, batches[0], a, 0)
	s.receive(3, receipt("1", id, to[0], schoolbell.ReceiptDelivered), receipt("2", id, to[1], schoolbell.ReceiptBounced), receipt("3", id, to[3], schoolbell.ReceiptDelivered))
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "progress", p.Channels, map[schoolbell.Channel]schoolbell.ChannelProgress{
		schoolbell.ChannelEmail: {Total: 5, Sent: 3, Uncertain: 1, Failed: 1, Delivered: 2, Bounced: 1}})
}

func outcomesInApp(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(4)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp, schoolbell.ChannelEmail))
	other := s.create(newEvent(toStudents(), schoolbell.ChannelInApp))
	s.walk(id, 10, 10)
	s.walk(other, 10, 10)
	for _, user := range []string{userID(0), userID(1)} {
		_, err := s.Inboxes.MarkRead(s.ctx(), user, id)
		s.must(err)
	}
	n, err := s.Inboxes.Acknowledge(s.ctx(), userID(1), id)
	s.must(err)
	same(t, "unread of one who acknowledged", n, 1)
	n, err = s.Inboxes.Acknowledge(s.ctx(), userID(2), id)
	s.must(err)
	same(t, "unread of one who acknowledged at once", n, 1)
	_, err = s.Inboxes.MarkRead(s.ctx(), userID(2), id) // does not move back
	s.must(err)
	_, err = s.Inboxes.MarkAllRead(s.ctx(), userID(3), 0)
	s.must(err)
	_, err = s.Inboxes.Acknowledge(s.ctx(), userID(3), "unknown")
	wantCode(t, err, schoolbell.CodeNotFound)
	same(t, "outcomes", s.outcomes(id), map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeRead, userID(1): schoolbell.OutcomeAcknowledged,
		userID(2): schoolbell.OutcomeAcknowledged, userID(3): schoolbell.OutcomeRead})
	same(t, "outcomes of the other event", s.outcomes(other), map[string]schoolbell.Outcome{userID(3): schoolbell.OutcomeRead})
	items, _, err := s.Inboxes.Inbox(s.ctx(), userID(2), 0, 10)
	s.must(err)
	if it := items[1]; it.EventID != id || it.AckedAt.IsZero() || it.ReadAt.IsZero() || !items[0].AckedAt.IsZero() {
		t.Errorf("items %+v", items)
	}
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	same(t, "in-app progress", p.Channels[schoolbell.ChannelInApp], schoolbell.ChannelProgress{Total: 4, Sent: 4, Read: 2, Acknowledged: 2})
}

func retryBounced(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(4, schoolbell.DeliverySent)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	s.receive(3, receipt("1", id, to[0], schoolbell.ReceiptDelivered), receipt("2", id, to[1], schoolbell.ReceiptBounced), receipt("3", id, to[2], schoolbell.ReceiptComplained))
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "rows to be sent again", n, 1)
	same(t, "status of the bounced one", s.status(id, schoolbell.ChannelEmail)[userID(1)], schoolbell.DeliveryPending)
	same(t, "outcomes", s.outcomes(id), map[string]schoolbell.Outcome{userID(0): schoolbell.OutcomeDelivered, userID(2): schoolbell.OutcomeComplained})
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	same(t, "event", ev.Status, schoolbell.EventProcessing)
	open2, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 10)
	s.must(err)
	same(t, "open batches", len(open2), 1)
	same(t, "claimed", len(s.advance(s.lease(), open2[0], nil, 10).Recipients), 1)
}

// The inbox has no provider, and its deliveries have no batch that could send them again.
func receiptInApp(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	id := s.create(newEvent(toStudents(), schoolbell.ChannelInApp, schoolbell.ChannelEmail))
	batches, _ := s.walk(id, 10, 10)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 10).Recipients
	s.advance(l, batches[0], attempts(to, schoolbell.DeliverySent), 0)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	r := receipt("1", id, to[0], schoolbell.ReceiptBounced)
	r.Channel = schoolbell.ChannelInApp
	s.receive(1, r)
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "rows to be sent again", n, 0)
	same(t, "outcomes", s.outcomes(id), map[string]schoolbell.Outcome{})
	same(t, "in-app rows", s.tally(id, schoolbell.ChannelInApp), map[schoolbell.DeliveryStatus]int{schoolbell.DeliverySent: 2})
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	same(t, "event", ev.Status, schoolbell.EventCompleted)
}
