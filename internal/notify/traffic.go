package notify

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/outage"
)

// trafficEvery is how often a process adds what it counted to the ledger, if it counted anything.
const trafficEvery = 5 * time.Second

// traffic counts messages by channel until they are added to the ledger. It is safe for concurrent use.
type traffic struct {
	store ledger.Traffic
	log   *slog.Logger
	down  outage.Log

	mu     sync.Mutex
	counts map[schoolbell.Channel]ledger.ChannelTraffic
}

func newTraffic(store ledger.Traffic, log *slog.Logger) *traffic {
	return &traffic{store: store, log: log, counts: map[schoolbell.Channel]ledger.ChannelTraffic{}}
}

// add counts messages of a channel.
func (t *traffic) add(channel schoolbell.Channel, sent, failed int) {
	if sent == 0 && failed == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[channel]
	t.counts[channel] = ledger.ChannelTraffic{Channel: channel, Sent: c.Sent + sent, Failed: c.Failed + failed}
}

// addAttempts counts the attempts to send that have ended.
func (t *traffic) addAttempts(channel schoolbell.Channel, attempts []ledger.Attempt) {
	var sent, failed int
	for _, a := range attempts {
		switch a.Status {
		case schoolbell.DeliverySent, schoolbell.DeliveryUncertain:
			sent++
		case schoolbell.DeliveryFailed:
			failed++
		}
	}
	t.add(channel, sent, failed)
}

// Run stores the counts until ctx ends, and then the last ones.
func (t *traffic) Run(ctx context.Context) error {
	tick := time.NewTicker(trafficEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.flush(ctx)
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), trafficEvery)
			defer cancel()
			t.flush(ctx)
			return nil
		}
	}
}

// flush stores the counts. Those that the ledger does not take are kept for the next time.
func (t *traffic) flush(ctx context.Context) {
	t.mu.Lock()
	counts := slices.SortedFunc(maps.Values(t.counts), func(a, b ledger.ChannelTraffic) int {
		return strings.Compare(string(a.Channel), string(b.Channel))
	})
	clear(t.counts)
	t.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	err := t.store.AddTraffic(ctx, counts)
	t.down.Note(ctx, t.log, slog.LevelWarn, "count messages by minute", err)
	if err != nil {
		for _, c := range counts {
			t.add(c.Channel, c.Sent, c.Failed)
		}
	}
}
