package storetest

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var eventReports = []promise{
	{"Failed deliveries are counted by reason and found by it", failedReasons},
	{"RetryFailed sends those with some reasons on a channel again", retrySome},
	{"Deliveries are found by the name and the id of the person", deliveriesOfPerson},
	{"Waves tell when they started and were half done", waveTimes},
}

func failedReasons(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 6)
	l := s.lease()
	to := s.advance(l, batches[0], nil, 6).Recipients
	done := attempts(to, schoolbell.DeliverySent)
	for i, reason := range []string{"no such user", "full", "no such user"} {
		done[i].Status, done[i].Reason = schoolbell.DeliveryFailed, reason
	}
	s.advance(l, batches[0], done, 0)
	s.receive(2, receipt("1", id, to[3], schoolbell.ReceiptBounced), receipt("2", id, to[4], schoolbell.ReceiptComplained))
	got, err := s.EventReports.FailedReasons(s.ctx(), id, 10)
	s.must(err)
	same(t, "reasons", got[0], ledger.FailedReason{Channel: schoolbell.ChannelEmail, Reason: "no such user", Count: 2})
	counts := map[ledger.FailedReason]bool{}
	for _, r := range got {
		counts[r] = true
	}
	email := schoolbell.ChannelEmail
	for _, want := range []ledger.FailedReason{{Channel: email, Reason: "full", Count: 1}, {Channel: email, Outcome: schoolbell.OutcomeBounced, Reason: "because", Count: 1},
		{Channel: email, Outcome: schoolbell.OutcomeComplained, Reason: "because", Count: 1}} {
		if !counts[want] || len(got) != 4 {
			t.Errorf("%+v is not in %+v", want, got)
		}
	}
	few, err := s.EventReports.FailedReasons(s.ctx(), id, 1)
	s.must(err)
	same(t, "the most frequent", len(few), 1)
	same(t, "failed rows", len(s.rows(id, schoolbell.DeliveryFilter{Failed: true})), 5)
	same(t, "rows with reasons", s.names(id, schoolbell.DeliveryFilter{Failed: true, Reasons: []string{"no such user", "because"}}), userID(0)+" "+userID(2)+" "+userID(3)+" "+userID(4))
	same(t, "rows with no reason of these", len(s.rows(id, schoolbell.DeliveryFilter{Reasons: []string{}})), 0)
	_, err = s.EventReports.FailedReasons(s.ctx(), "unknown", 10)
	s.fails("an unknown event", err, schoolbell.CodeNotFound)
}

func retrySome(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 3)
	l := s.lease()
	var to []ledger.Recipient
	for _, b := range batches {
		found := s.advance(l, b, nil, 3).Recipients
		done := attempts(found, schoolbell.DeliveryFailed)
		for i := range done {
			done[i].Reason = []string{"no such user", "full", ""}[i]
		}
		s.advance(l, b, done, 0)
		to = append(to, found...)
	}
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	retry := func(only schoolbell.RetryFilter, want int, pending string) {
		t.Helper()
		n, err := s.Events.RetryFailed(s.ctx(), id, only)
		s.must(err)
		same(t, "retried", n, want)
		same(t, "pending", s.names(id, schoolbell.DeliveryFilter{Status: schoolbell.DeliveryPending}), pending)
		s.wantCounted(id, "the retry")
	}
	email := schoolbell.ChannelEmail
	retry(schoolbell.RetryFilter{Channel: schoolbell.ChannelSMS}, 0, "")
	retry(schoolbell.RetryFilter{Reasons: []string{}}, 0, "")
	retry(schoolbell.RetryFilter{Reasons: []string{"another"}}, 0, "")
	ev, err := s.Events.Event(s.ctx(), id)
	s.must(err)
	same(t, "event", ev.Status, schoolbell.EventCompleted)
	full := to[1].UserID + " " + to[4].UserID
	retry(schoolbell.RetryFilter{Channel: email, Reasons: []string{"full", "another"}}, 2, full)
	retry(schoolbell.RetryFilter{Reasons: []string{""}}, 2, to[1].UserID+" "+to[2].UserID+" "+to[4].UserID+" "+to[5].UserID)
	retry(schoolbell.RetryFilter{Channel: email}, 2, s.names(id, schoolbell.DeliveryFilter{}))
	_, err = s.Events.RetryFailed(s.ctx(), id, schoolbell.RetryFilter{Channel: "pigeon"})
	s.fails("a channel that is none", err, schoolbell.CodeInvalid)
}

// names returns whom the rows that a filter finds are to.
func (s *testStore) names(id string, f schoolbell.DeliveryFilter) string {
	s.t.Helper()
	var users []string
	for _, d := range s.rows(id, f) {
		users = append(users, d.UserID)
	}
	return strings.Join(users, " ")
}

func deliveriesOfPerson(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, _ := s.sent(12, 12)
	u := s.user(userID(3))
	u.Name = "Ada 50%_ Quillon"
	_, err := s.People.PutUsers(s.ctx(), []*schoolbell.User{u})
	s.must(err)
	for text, want := range map[string]string{"quill": userID(3), "50%_": userID(3), "%": userID(3), userID(3): userID(3), "nobody of this name": ""} {
		same(t, "found by "+text, s.names(id, schoolbell.DeliveryFilter{Person: text}), want)
	}
	same(t, "all", len(s.rows(id, schoolbell.DeliveryFilter{Person: userID(0)[:len(userID(0))-1]})) > 1, true)
}

func waveTimes(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	id, batches := s.sent(6, 2)
	times := func() ledger.WaveTimes {
		got, err := s.EventReports.WaveTimes(s.ctx(), id)
		s.must(err)
		same(t, "waves", len(got), 1)
		return got[0]
	}
	l := s.lease()
	s.deliver(l, batches[0], schoolbell.DeliverySent)
	if w := times(); w.QueuedAt.IsZero() || !w.HalfAt.IsZero() || !w.FinishedAt.IsZero() {
		t.Errorf("after the first of three batches: %+v", w)
	}
	s.deliver(l, batches[1], schoolbell.DeliverySent)
	if w := times(); w.HalfAt.IsZero() || w.HalfAt.Before(w.QueuedAt) || !w.FinishedAt.IsZero() {
		t.Errorf("after the second: %+v", w)
	}
	s.deliver(l, batches[2], schoolbell.DeliverySent)
	_, err := s.Waves.FinishWave(s.ctx(), ledger.WaveRef{EventID: id})
	s.must(err)
	if w := times(); w.FinishedAt.Before(w.HalfAt) || w.Number != 0 || w.Notice != "" {
		t.Errorf("at the end: %+v", w)
	}
	_, err = s.EventReports.WaveTimes(s.ctx(), "unknown")
	s.fails("an unknown event", err, schoolbell.CodeNotFound)
}
