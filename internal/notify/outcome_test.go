package notify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

func TestOutcome(t *testing.T) {
	t.Parallel()
	cfg := Config{Retries: 3}.withDefaults()
	fresh := ledger.Recipient{Seq: 7}
	lastTry := ledger.Recipient{Seq: 7, Attempts: 3}
	doubtful := ledger.Recipient{Seq: 7, Attempts: 1, Uncertain: true}
	restored := ledger.Recipient{Seq: 7, Uncertain: true, Restored: true}
	tests := []struct {
		name   string
		row    ledger.Recipient
		result schoolbell.Result
		hold   time.Duration
		want   ledger.Attempt
	}{
		{"accepted is sent", fresh, schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: "q1"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliverySent, Spent: 1, ProviderID: "q1"}},
		{"accepted after a doubtful try is uncertain", doubtful, schoolbell.Result{Verdict: schoolbell.VerdictSent}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 2, Uncertain: true}},
		{"accepted after a restore is uncertain, with the reason", restored, schoolbell.Result{Verdict: schoolbell.VerdictSent}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 1, Uncertain: true, Reason: sentAfterRestore}},
		{"refused for good after a restore keeps the provider's reason", restored, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "550 no"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 1, Uncertain: true, Reason: "550 no"}},
		{"found after a doubtful try is sent", doubtful, schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: "q1", Resolved: true}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliverySent, Spent: 2, ProviderID: "q1"}},
		{"refused for now waits the base time", fresh, schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "450 later"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 1, RetryIn: 5 * time.Second, Reason: "450 later"}},
		{"refused for now at the last attempt fails", lastTry, schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "450 later"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryFailed, Spent: 4, Reason: "450 later"}},
		{"refused for good fails at once", fresh, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "550 no"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryFailed, Spent: 1, Reason: "550 no"}},
		{"refused for good after a doubtful try is uncertain", doubtful, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "550 no"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 2, Uncertain: true, Reason: "550 no"}},
		{"slow down costs nothing", fresh, schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: "421"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Reason: "421"}},
		{"a dropped connection costs nothing and lets others go first", lastTry, schoolbell.Result{Verdict: schoolbell.VerdictDropped, Reason: "EOF"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 3, RetryIn: 25 * time.Second, Reason: "EOF"}},
		{"a connection ended without an answer keeps a doubt", doubtful, schoolbell.Result{Verdict: schoolbell.VerdictDropped, Reason: "EOF"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 1, Uncertain: true, RetryIn: 25 * time.Second, Reason: "EOF"}},
		{"not offered costs nothing", lastTry, schoolbell.Result{Verdict: schoolbell.VerdictUntried}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 3}},
		{"a lost reply is tried again in doubt", fresh, schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "EOF"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 1, Uncertain: true, RetryIn: 5 * time.Second, Reason: "EOF"}},
		{"a lost reply at the last attempt stays uncertain", lastTry, schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "EOF"}, 0,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 4, Uncertain: true, Reason: "EOF"}},
		{"a lost reply awaits a receipt", fresh, schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "EOF"}, time.Minute,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 1, Uncertain: true, RetryIn: time.Minute, Reason: schoolbell.ReasonAwaitingReceipt}},
		{"a second lost reply stays uncertain", doubtful, schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "EOF"}, time.Minute,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 2, Uncertain: true, Reason: "EOF"}},
		{"a lost reply at the last attempt awaits nothing", lastTry, schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "EOF"}, time.Minute,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryUncertain, Spent: 4, Uncertain: true, Reason: "EOF"}},
		{"refused for now awaits no receipt", doubtful, schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "450 later"}, time.Minute,
			ledger.Attempt{Seq: 7, Status: schoolbell.DeliveryPending, Spent: 2, Uncertain: true, RetryIn: 25 * time.Second, Reason: "450 later"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, cfg.attempt(tt.row, tt.result, tt.hold)); diff != "" {
				t.Errorf("outcome differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetryWait(t *testing.T) {
	t.Parallel()
	cfg := Config{}.withDefaults()
	for n, want := range map[int]time.Duration{1: 5 * time.Second, 2: 25 * time.Second, 3: 125 * time.Second, 40: 24 * time.Hour} {
		if got := cfg.retryWait(n); got != want {
			t.Errorf("wait after failure %d is %v, want %v", n, got, want)
		}
		b := bullmq.Backoff{Type: backoffStrategy, Delay: 5 * time.Second}
		if got := cfg.backoff(n, b, nil, nil); got != want {
			t.Errorf("the job's backoff after failure %d is %v, want %v as its rows", n, got, want)
		}
	}
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"negative batch":      {BatchSize: -1},
		"negative retries":    {Retries: -1},
		"limit without time":  {RateMax: 10},
		"negative concurrent": {Concurrency: -1},
	} {
		if err := cfg.withDefaults().validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
