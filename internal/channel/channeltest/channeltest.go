// Package channeltest is the suite that every sender must pass, whatever its
// provider: what notify relies on when it hands messages over.
package channeltest

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"schoolbell"
)

// Sender is what is tested.
type Sender interface {
	Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result))
	Check(ctx context.Context) error
	Close() error
}

// Fate is what the provider is to do with a message.
type Fate int

const (
	Accept    Fate = iota
	Refuse         // for good
	Defer          // for now
	LoseReply      // take it, and let the reply be lost
	Throttle       // ask for fewer messages
)

// Provider is a server of the kind the sender talks to, played by the test of
// the sender. All is called by several goroutines at once.
type Provider struct {
	// Message returns a message that the provider treats as fate says.
	Message func(n int, fate Fate) schoolbell.Message
	// Accepted returns how many times the provider accepted the message.
	Accepted func(m schoolbell.Message) int
	// Stall lets the provider answer no message until release is called; begun is
	// closed when the first message is there.
	Stall func() (begun <-chan struct{}, release func())
	// Stop takes the provider away for good.
	Stop func()
	// LostReply is the verdict on a message whose reply was lost: VerdictUncertain if empty, and VerdictRetry where a
	// second message replaces the first.
	LostReply schoolbell.Verdict
}

// Run holds a sender to what notify.Sender promises. open starts a provider and a sender for
// it; both end with the test.
func Run(t *testing.T, open func(t *testing.T) (Sender, Provider)) {
	t.Run("sends every message and reports each exactly once", func(t *testing.T) {
		t.Parallel()
		s, p := open(t)
		msgs := messages(p, 150, func(int) Fate { return Accept })
		for i, r := range send(t, context.Background(), s, msgs) {
			if r.Verdict != schoolbell.VerdictSent || p.Accepted(msgs[i]) != 1 {
				t.Errorf("message %d: %+v, accepted %d times", i, r, p.Accepted(msgs[i]))
			}
		}
	})
	t.Run("sends nothing when there is nothing", func(t *testing.T) {
		t.Parallel()
		s, _ := open(t)
		send(t, context.Background(), s, nil)
	})
	t.Run("serves several batches at once", func(t *testing.T) {
		t.Parallel()
		s, p := open(t)
		var wg sync.WaitGroup
		for b := range 8 {
			wg.Go(func() {
				msgs := make([]schoolbell.Message, 40)
				for i := range msgs {
					msgs[i] = p.Message(b*1000+i, Accept)
				}
				for i, r := range send(t, context.Background(), s, msgs) {
					if r.Verdict != schoolbell.VerdictSent || p.Accepted(msgs[i]) != 1 {
						t.Errorf("message %d.%d: %+v, accepted %d times", b, i, r, p.Accepted(msgs[i]))
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("keeps the fates of messages apart", func(t *testing.T) { t.Parallel(); fates(t, open) })
	t.Run("leaves the rest untried when asked to slow down", func(t *testing.T) { t.Parallel(); throttled(t, open) })
	t.Run("offers nothing once its context has ended", func(t *testing.T) {
		t.Parallel()
		s, p := open(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		msgs := messages(p, 50, func(int) Fate { return Accept })
		for i, r := range send(t, ctx, s, msgs) {
			if r.Verdict != schoolbell.VerdictUntried || p.Accepted(msgs[i]) != 0 {
				t.Errorf("message %d: %+v, accepted %d times", i, r, p.Accepted(msgs[i]))
			}
		}
	})
	t.Run("stops in the middle without losing count", func(t *testing.T) { t.Parallel(); stopped(t, open) })
	t.Run("reports once that the provider is unavailable", func(t *testing.T) {
		t.Parallel()
		s, p := open(t)
		p.Stop()
		if err := s.Check(context.Background()); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
			t.Errorf("Check: %v", err)
		}
		away(t, s, p)
	})
	t.Run("tells once that the provider went away between two batches", func(t *testing.T) {
		t.Parallel()
		s, p := open(t)
		for i, r := range send(t, context.Background(), s, messages(p, 30, func(int) Fate { return Accept })) {
			if r.Verdict != schoolbell.VerdictSent {
				t.Errorf("message %d: %+v", i, r)
			}
		}
		p.Stop()
		away(t, s, p)
	})
	t.Run("finds a provider that is there", func(t *testing.T) {
		t.Parallel()
		s, _ := open(t)
		if err := s.Check(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func messages(p Provider, n int, fate func(i int) Fate) []schoolbell.Message {
	msgs := make([]schoolbell.Message, n)
	for i := range msgs {
		msgs[i] = p.Message(i, fate(i))
	}
	return msgs
}

// send collects the results and checks that there is exactly one for each message.
func send(t *testing.T, ctx context.Context, s Sender, msgs []schoolbell.Message) []schoolbell.Result {
	t.Helper()
	var mu sync.Mutex
	results, times := make([]schoolbell.Result, len(msgs)), make([]int, len(msgs))
	returned := false
	s.Send(ctx, msgs, func(i int, r schoolbell.Result) {
		mu.Lock()
		defer mu.Unlock()
		if returned {
			t.Errorf("message %d is reported after Send returned", i)
		}
		results[i] = r
		times[i]++
	})
	mu.Lock()
	defer mu.Unlock()
	returned = true
	for i, n := range times {
		if n != 1 {
			t.Errorf("message %d was reported %d times", i, n)
		}
	}
	return results
}

func fates(t *testing.T, open func(t *testing.T) (Sender, Provider)) {
	s, p := open(t)
	want := map[Fate]schoolbell.Verdict{
		Accept:    schoolbell.VerdictSent,
		Refuse:    schoolbell.VerdictGiveUp,
		Defer:     schoolbell.VerdictRetry,
		LoseReply: cmp.Or(p.LostReply, schoolbell.VerdictUncertain),
	}
	fate := func(i int) Fate {
		switch {
		case i%5 == 1:
			return Refuse
		case i%7 == 2:
			return Defer
		case i%11 == 3:
			return LoseReply
		}
		return Accept
	}
	msgs := messages(p, 200, fate)
	got, expected := map[string]schoolbell.Verdict{}, map[string]schoolbell.Verdict{}
	for i, r := range send(t, context.Background(), s, msgs) {
		name := fmt.Sprintf("message %d", i)
		got[name], expected[name] = r.Verdict, want[fate(i)]
		if r.Verdict != schoolbell.VerdictSent && r.Reason == "" {
			t.Errorf("%s: %s without a reason", name, r.Verdict)
		}
		accepted := 0
		if f := fate(i); f == Accept || f == LoseReply {
			accepted = 1
		}
		if n := p.Accepted(msgs[i]); n != accepted {
			t.Errorf("%s (fate %d): accepted %d times, want %d", name, fate(i), n, accepted)
		}
	}
	if diff := gocmp.Diff(expected, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// away sends to a provider that is not there: one message pays nothing and learns
// it, the others are spared.
func away(t *testing.T, s Sender, p Provider) {
	t.Helper()
	slowed := 0
	for i, r := range send(t, context.Background(), s, messages(p, 30, func(int) Fate { return Accept })) {
		switch r.Verdict {
		case schoolbell.VerdictSlowDown:
			slowed++
			if r.Reason == "" {
				t.Errorf("message %d: slow_down without a reason", i)
			}
		case schoolbell.VerdictUntried:
		default:
			t.Errorf("message %d: %+v, want slow_down or untried", i, r)
		}
	}
	if slowed != 1 {
		t.Errorf("%d messages were told to slow down, want 1", slowed)
	}
}

func throttled(t *testing.T, open func(t *testing.T) (Sender, Provider)) {
	s, p := open(t)
	msgs := messages(p, 400, func(i int) Fate {
		if i%20 == 10 {
			return Throttle
		}
		return Accept
	})
	count := map[schoolbell.Verdict]int{}
	for i, r := range send(t, context.Background(), s, msgs) {
		count[r.Verdict]++
		if n := p.Accepted(msgs[i]); (r.Verdict == schoolbell.VerdictSent) != (n == 1) || n > 1 {
			t.Errorf("message %d: %s, accepted %d times", i, r.Verdict, n)
		}
	}
	if count[schoolbell.VerdictSlowDown] == 0 || count[schoolbell.VerdictUntried] < 100 ||
		count[schoolbell.VerdictSlowDown]+count[schoolbell.VerdictUntried]+count[schoolbell.VerdictSent] != len(msgs) {
		t.Errorf("verdicts %v", count)
	}
	again := []schoolbell.Message{p.Message(9999, Accept)}
	if r := send(t, context.Background(), s, again)[0]; r.Verdict != schoolbell.VerdictSent {
		t.Errorf("after the rest: %+v", r)
	}
}

func stopped(t *testing.T, open func(t *testing.T) (Sender, Provider)) {
	s, p := open(t)
	begun, release := p.Stall()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-begun
		cancel()
		release()
	}()
	msgs := messages(p, 500, func(int) Fate { return Accept })
	untried := 0
	for i, r := range send(t, ctx, s, msgs) {
		n := p.Accepted(msgs[i])
		switch {
		case r.Verdict == schoolbell.VerdictUntried && n == 0:
			untried++
		case r.Verdict == schoolbell.VerdictSent && n == 1:
		case r.Verdict == schoolbell.VerdictUncertain && n <= 1:
		default:
			t.Errorf("message %d: %+v, accepted %d times", i, r, n)
		}
	}
	if untried < len(msgs)/2 {
		t.Errorf("only %d of %d messages were left untried", untried, len(msgs))
	}
}
