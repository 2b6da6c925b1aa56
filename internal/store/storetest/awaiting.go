package storetest

import (
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var awaiting = []promise{
	{"A receipt makes a delivery sent that awaits one", awaitingSent},
	{"A receipt counts that came before the attempt was recorded", awaitingEarly},
	{"Without a receipt a delivery is sent again and uncertain", awaitingAgain},
	{"A cancelled event ends deliveries that await a receipt", awaitingCancelled},
	{"Rows of a lost worker await a receipt", awaitingLost},
	{"A retried delivery does not count receipts of before", awaitingRetried},
}

// unknown returns the attempts of recipients whose messages the provider may have accepted.
func unknown(to []ledger.Recipient, hold time.Duration) []ledger.Attempt {
	a := attempts(to, schoolbell.DeliveryPending)
	for i := range a {
		a[i].Uncertain, a[i].Reason, a[i].RetryIn = true, schoolbell.ReasonAwaitingReceipt, hold
	}
	return a
}

// hold advances a batch and lets rows of lost workers await a receipt.
func (s *testStore) hold(l ledger.Lease, b ledger.Batch, claim int) ledger.Grant {
	s.t.Helper()
	grants, err := s.Deliveries.Advance(s.ctx(), []ledger.Step{{Lease: l, Batch: b, Claim: claim, Hold: time.Hour}})
	s.must(err)
	s.must(grants[0].Err)
	return grants[0]
}

func (s *testStore) progress(id string) schoolbell.ChannelProgress {
	s.t.Helper()
	p, err := s.Events.Progress(s.ctx(), id)
	s.must(err)
	return p.Channels[schoolbell.ChannelEmail]
}

func awaitingSent(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(5, 5)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 5).Recipients
	g := s.advance(l, batches[0], unknown(to, time.Hour), 5)
	same(t, "claimed again", len(g.Recipients), 0)
	same(t, "pending", g.Pending, 5)
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
		same(t, "reason", d.Reason, schoolbell.ReasonAwaitingReceipt)
	}
	sum, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "event", sum.Status, schoolbell.EventProcessing)

	stopped := receipt("1", id, to[4], schoolbell.ReceiptStopped)
	s.receive(1, stopped)
	same(t, "progress after a receipt that does not tell", s.progress(id), schoolbell.ChannelProgress{Total: 5, Pending: 5})
	s.receive(5, receipt("2", id, to[0], schoolbell.ReceiptAccepted), receipt("3", id, to[1], schoolbell.ReceiptDelivered),
		receipt("4", id, to[2], schoolbell.ReceiptAccepted), receipt("5", id, to[2], schoolbell.ReceiptBounced), receipt("6", id, to[3], schoolbell.ReceiptAccepted))
	same(t, "progress", s.progress(id), schoolbell.ChannelProgress{Total: 5, Pending: 1, Sent: 4, Delivered: 1, Bounced: 1})
	s.receive(1, receipt("7", id, to[4], schoolbell.ReceiptComplained))
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Outcome: schoolbell.OutcomeComplained}) {
		same(t, "reason of the last", d.Reason, "because")
	}
	g = s.advance(l, batches[0], nil, 5)
	same(t, "finished", g.Finished, true)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 5, Sent: 5, Delivered: 1, Bounced: 1, Complained: 1})
	same(t, "progress", s.progress(id), g.Counts)
	sum, err = s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	same(t, "event", sum.Status, schoolbell.EventCompleted)
}

func awaitingEarly(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(3, 3)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 3).Recipients
	s.receive(3, receipt("1", id, to[0], schoolbell.ReceiptAccepted), receipt("2", id, to[1], schoolbell.ReceiptDelivered), receipt("3", id, to[2], schoolbell.ReceiptStopped))
	g := s.advance(l, batches[0], unknown(to, time.Hour), 3)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 3, Pending: 1, Sent: 2, Delivered: 1})
	same(t, "progress", s.progress(id), g.Counts)
}

func awaitingAgain(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 2)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 2).Recipients
	again := s.advance(l, batches[0], unknown(to, 0), 2).Recipients // the hold has ended
	same(t, "claimed again", len(again), 2)
	same(t, "uncertain", again[0].Uncertain, true)
	s.receive(1, receipt("1", id, to[0], schoolbell.ReceiptDelivered)) // of the first or of the second sending
	same(t, "progress while they are sent again", s.progress(id), schoolbell.ChannelProgress{Total: 2, Pending: 2})
	g := s.advance(l, batches[0], attempts(again, schoolbell.DeliverySent), 0)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 2, Uncertain: 2, Delivered: 1})
	same(t, "progress", s.progress(id), g.Counts)
}

func awaitingCancelled(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(2, 2)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 2).Recipients
	s.advance(l, batches[0], unknown(to, time.Hour), 0)
	_, err := s.Events.CancelEvent(s.ctx(), id)
	s.must(err)
	same(t, "progress", s.progress(id), schoolbell.ChannelProgress{Total: 2, Uncertain: 2})
	s.receive(1, receipt("1", id, to[0], schoolbell.ReceiptDelivered))
	same(t, "progress after a receipt", s.progress(id), schoolbell.ChannelProgress{Total: 2, Uncertain: 2, Delivered: 1})
}

func awaitingLost(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(4, 4)
	lost, l := s.lease(), s.lease()
	to := s.advance(lost, batches[0], nil, 3).Recipients
	s.receive(1, receipt("1", id, to[0], schoolbell.ReceiptDelivered))
	s.kill(lost)
	g := s.hold(l, batches[0], 4)
	same(t, "claimed", len(g.Recipients), 1) // the row that the lost worker did not hold
	g = s.advance(l, batches[0], attempts(g.Recipients, schoolbell.DeliverySent), 0)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 4, Pending: 2, Sent: 2, Delivered: 1})
	same(t, "progress", s.progress(id), g.Counts)
	if g.NextIn < 50*time.Minute {
		t.Errorf("rows wait %v for a receipt, want an hour", g.NextIn)
	}
	s.receive(1, receipt("2", id, to[1], schoolbell.ReceiptAccepted))
	same(t, "progress after a receipt", s.progress(id), schoolbell.ChannelProgress{Total: 4, Pending: 1, Sent: 3, Delivered: 1})

	id, batches = s.sent(1, 1)
	for range 2 { // the second worker is lost too, so one receipt cannot tell about both attempts
		worker := s.lease()
		g = s.advance(worker, batches[0], nil, 1)
		same(t, "claimed", len(g.Recipients), 1)
		s.kill(worker)
	}
	s.receive(1, receipt("3", id, g.Recipients[0], schoolbell.ReceiptAccepted))
	g = s.hold(l, batches[0], 1)
	same(t, "claimed of twice lost workers", len(g.Recipients), 1)
	same(t, "uncertain", g.Recipients[0].Uncertain, true)
}

func awaitingRetried(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, to := s.delivered(1, schoolbell.DeliverySent)
	before := receipt("1", id, to[0], schoolbell.ReceiptBounced)
	before.At = time.Now().Add(-2 * time.Minute)
	s.receive(1, before)
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	n, err := s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{})
	s.must(err)
	same(t, "rows to be sent again", n, 1)
	batches, err := s.FanOuts.OpenBatches(s.ctx(), zeroth(id), nil, 1)
	s.must(err)
	l := s.lease()
	to = s.advance(l, batches[0], nil, 1).Recipients
	g := s.advance(l, batches[0], unknown(to, time.Hour), 0)
	same(t, "counts", g.Counts, schoolbell.ChannelProgress{Total: 1, Pending: 1})
}
