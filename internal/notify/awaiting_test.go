package notify_test

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

func TestAwaitReceipt(t *testing.T) {
	t.Parallel()
	t.Run("a receipt completes the event without a resend", testAwaitReceiptSent)
	t.Run("after the hold a message is sent again once", testAwaitReceiptAgain)
	t.Run("a cancelled event is uncertain without a resend", testAwaitReceiptCancelled)
	t.Run("an expired event is uncertain without a resend", testAwaitReceiptExpired)
	t.Run("a small event awaits receipts too", testAwaitReceiptSmall)
}

// withReceipts makes email a channel whose provider sends receipts.
func withReceipts(hold time.Duration) func(*notify.Config) {
	return func(c *notify.Config) {
		c.Holds, c.ReceiptPoll = map[schoolbell.Channel]time.Duration{schoolbell.ChannelEmail: hold}, 20*time.Millisecond
	}
}

func lostReply(schoolbell.Message) schoolbell.Result {
	return schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "EOF"}
}

// awaitHeld waits until n deliveries of an event await a receipt, and returns receipts by which the provider has them.
func (s *testPipeline) awaitHeld(ev *schoolbell.Event, n int) (receipts []schoolbell.Receipt) {
	s.t.Helper()
	testenv.Eventually(s.t, 40*time.Second, func() error {
		receipts = nil
		for _, id := range s.provider.ids() {
			k, err := schoolbell.ParseMessageKey(id)
			if err != nil {
				return err
			}
			receipts = append(receipts, schoolbell.Receipt{Provider: "test", ID: id + "/" + strconv.Itoa(n), EventID: k.EventID, Channel: schoolbell.ChannelEmail,
				User: k.User, Kind: schoolbell.ReceiptAccepted, At: time.Now()})
		}
		held := 0
		for _, reason := range s.reasons(ev) {
			if reason == schoolbell.ReasonAwaitingReceipt {
				held++
			}
		}
		if held != n {
			return fmt.Errorf("%d deliveries await a receipt, want %d", held, n)
		}
		return nil
	}, "deliveries await receipts")
	return receipts
}

// ids returns the ids of the messages that the provider accepted.
func (p *provider) ids() (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.accepted {
		ids = append(ids, id)
	}
	return ids
}

func testAwaitReceiptSent(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, withReceipts(time.Hour))
	s.provider.answers(lostReply)
	s.work()
	ev := s.create()
	receipts := s.awaitHeld(ev, 30)
	if got := s.email(ev.ID); got.Pending != 30 {
		t.Errorf("%+v while receipts are awaited", got)
	}
	if _, err := s.ledger.Receipts.RecordReceipts(t.Context(), receipts); err != nil {
		t.Fatal(err)
	}
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Sent != 30 {
		t.Errorf("%+v, want all sent", got)
	}
	s.wantOnce(30)
}

func testAwaitReceiptAgain(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 3, withReceipts(50*time.Millisecond))
	var sent atomic.Int64
	s.provider.answers(func(m schoolbell.Message) schoolbell.Result {
		sent.Add(1)
		return lostReply(m)
	})
	s.work()
	ev := s.create()
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Uncertain != 3 || sent.Load() != 6 {
		t.Errorf("%+v after %d messages, want each sent twice and uncertain", got, sent.Load())
	}
}

func testAwaitReceiptCancelled(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, withReceipts(time.Hour))
	s.provider.answers(lostReply)
	s.work()
	ev := s.create()
	s.awaitHeld(ev, 30)
	if _, err := s.pipeline.Cancel(t.Context(), ev.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.email(ev.ID); got.Uncertain != 30 {
		t.Errorf("%+v, want all uncertain", got)
	}
	s.wantOnce(30)
}

func testAwaitReceiptExpired(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 30, withReceipts(time.Hour))
	s.provider.answers(lostReply)
	s.work()
	ev := s.create(func(ev *schoolbell.Event) { ev.ExpiresAt = time.Now().Add(2 * time.Second) })
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Uncertain+got.Expired != 30 || got.Uncertain == 0 {
		t.Errorf("%+v, want uncertain", got)
	}
	s.wantOnce(s.provider.count())
}

func testAwaitReceiptSmall(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 1, inPlace, withReceipts(time.Hour))
	s.provider.answers(lostReply)
	s.work()
	ev := s.create(toUser(0))
	receipts := s.awaitHeld(ev, 1)
	if _, err := s.ledger.Receipts.RecordReceipts(t.Context(), receipts); err != nil {
		t.Fatal(err)
	}
	s.await(ev.ID, schoolbell.EventCompleted)
	if got := s.email(ev.ID); got.Sent != 1 {
		t.Errorf("%+v, want it sent", got)
	}
	s.wantOnce(1)
}

// reasons returns the reasons of an event's emails.
func (s *testPipeline) reasons(ev *schoolbell.Event) (reasons []string) {
	s.t.Helper()
	rows, _, err := s.ledger.Reports.Deliveries(s.t.Context(), ev.ID, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, ledger.DeliveryCursor{}, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range rows {
		reasons = append(reasons, d.Reason)
	}
	return reasons
}
