package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/internal/ledger"
)

// This file lets batch jobs heed the quota of a channel. A run reserves messages before it claims rows. With
// a rate, one reservation is one turn: afterwards the job goes behind those of other events. While nothing can be reserved, the queue
// of the lane rests and no job holds a slot. See DESIGN.md.

// quotaGate is how the jobs of one channel and lane in this process use the channel's quota. It is safe for
// concurrent use. A nil gate is that of a channel without a quota.
type quotaGate struct {
	store    ledger.Quotas
	settings ledger.Quota                                        // that of the settings
	provider func(ctx context.Context) (rate float64, daily int) // nil if the provider does not tell
	channel  schoolbell.Channel
	lane     schoolbell.Lane
	metrics  *Metrics
	log      *slog.Logger

	mu      sync.Mutex
	quota   ledger.Quota  // in effect
	until   time.Time     // nothing can be reserved before
	reached ledger.Period // because of the limit of this period; empty for the rate
	refused time.Time     // when such a limit last allowed nothing
	warned  ledger.Period // whose limit was logged
}

// maxQuotaRest is how long a queue rests at most: settings may change, and other processes may return what they have
// reserved and not used.
const maxQuotaRest = 10 * time.Second

// newQuotaGate returns the gate of a channel and lane, nil if the channel has no quota.
func (p *Pipeline) newQuotaGate(ch schoolbell.Channel, lane schoolbell.Lane) *quotaGate {
	quota, provider := p.cfg.Quotas[ch], p.cfg.ProviderQuotas[ch]
	if !quota.Limits() && provider == nil {
		return nil
	}
	if quota.Name == "" {
		quota.Name, quota.UrgentShare = string(ch), p.cfg.UrgentShare
	}
	return &quotaGate{store: p.ledger.Quotas, settings: quota, quota: quota, provider: provider, channel: ch, lane: lane, metrics: p.metrics, log: p.log}
}

// renew asks the provider what it allows now, and returns the quota in effect.
func (g *quotaGate) renew(ctx context.Context) ledger.Quota {
	quota := g.settings
	if g.provider != nil {
		rate, daily := g.provider(ctx)
		quota.Rate, quota.Daily = smaller(quota.Rate, rate), smaller(quota.Daily, daily)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quota = quota
	return quota
}

// smaller returns the smaller limit; 0 is none.
func smaller[T int | float64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// inEffect returns the quota that is in effect.
func (g *quotaGate) inEffect() ledger.Quota {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.quota
}

// closed returns how long nothing can be reserved, as far as this process knows.
func (g *quotaGate) closed() time.Duration {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.until)
}

// hasRate reports whether the quota limits the rate, so that jobs take turns.
func (g *quotaGate) hasRate() bool { return g != nil && g.inEffect().Rate > 0 }

// reserve reserves up to most messages, or returns errNoQuota.
func (g *quotaGate) reserve(ctx context.Context, most int) (ledger.Reservation, error) {
	if g.closed() > 0 {
		g.countWait()
		return ledger.Reservation{}, errNoQuota
	}
	quota := g.renew(ctx)
	if !quota.Limits() {
		return ledger.Reservation{Messages: most}, nil
	}
	r, err := g.store.Reserve(ctx, quota, g.lane, most)
	if err != nil {
		return r, fmt.Errorf("reserve messages of channel %s: %w", g.channel, err)
	}
	g.note(r)
	if r.Messages == 0 {
		g.countWait()
		return r, errNoQuota
	}
	return r, nil
}

// note remembers the result of a reservation.
func (g *quotaGate) note(r ledger.Reservation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.showUsed(r)
	if r.NextIn > 0 {
		g.until = time.Now().Add(min(r.NextIn, maxQuotaRest))
	}
	switch {
	case r.Messages == 0:
		g.reached = r.Reached
		g.noteReached(r)
	case g.warned != "" && time.Since(g.refused) > 2*maxQuotaRest:
		g.log.Info(limitTexts[g.warned].over, g.usage(g.warned, r)...)
		g.warned = ""
	}
}

// limitTexts are the log lines about the limit of a period.
var limitTexts = map[ledger.Period]struct{ reached, over string }{
	ledger.PeriodDay:   {"daily limit reached: deliveries wait", "daily limit allows deliveries again"},
	ledger.PeriodMonth: {"monthly limit reached: deliveries wait", "monthly limit allows deliveries again"},
}

// usage is what a log line says about the limit of a period.
func (g *quotaGate) usage(p ledger.Period, r ledger.Reservation) []any {
	limit, used := g.quota.Daily, r.Used
	if p == ledger.PeriodMonth {
		limit, used = g.quota.Monthly, r.UsedMonth
	}
	return []any{"channel", string(g.channel), "lane", string(g.lane), "limit", limit, "used", used}
}

// noteReached logs that a limit lets deliveries wait, once. Jobs that return what they have not used may
// let others continue for a moment: that does not end it.
func (g *quotaGate) noteReached(r ledger.Reservation) {
	if r.Reached == "" {
		return
	}
	g.refused = time.Now()
	if g.warned != r.Reached {
		g.warned = r.Reached
		g.log.Warn(limitTexts[r.Reached].reached, append(g.usage(r.Reached, r), "again_in", r.NextIn.Round(time.Second))...)
	}
}

// showUsed shows in the metrics how much of the limits is used.
func (g *quotaGate) showUsed(r ledger.Reservation) {
	if g.quota.Daily > 0 {
		g.metrics.quotaUsed.WithLabelValues(string(g.channel)).Set(float64(r.Used))
	}
	if g.quota.Monthly > 0 {
		g.metrics.quotaUsedMonth.WithLabelValues(string(g.channel)).Set(float64(r.UsedMonth))
	}
}

// addUsed is showUsed for a change.
func (g *quotaGate) addUsed(quota ledger.Quota, units int) {
	if quota.Daily > 0 {
		g.metrics.quotaUsed.WithLabelValues(string(g.channel)).Add(float64(units))
	}
	if quota.Monthly > 0 {
		g.metrics.quotaUsedMonth.WithLabelValues(string(g.channel)).Add(float64(units))
	}
}

// settle corrects a reservation to the units that were used.
func (g *quotaGate) settle(ctx context.Context, r ledger.Reservation, used int) {
	quota := g.inEffect()
	unused := quota.Units(r.Messages) - used
	if unused == 0 || !quota.Limits() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := g.store.Settle(ctx, quota, g.lane, r, used); err != nil {
		g.log.Warn("unused messages of a quota were not returned", "channel", string(g.channel), "messages", unused, "error", err)
		return
	}
	g.addUsed(quota, -unused)
	g.mu.Lock()
	defer g.mu.Unlock()
	if unused > 0 {
		g.until = time.Time{}
	}
}

func (g *quotaGate) countWait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	limit := "rate"
	if g.reached != "" {
		limit = string(g.reached)
	}
	g.metrics.quotaWaits.WithLabelValues(string(g.channel), string(g.lane), limit).Inc()
}

var (
	errNoQuota  = errors.New("the quota of the channel allows no message now")
	errTurnOver = errors.New("the job has used its turn")
)

// turn is what a run has reserved of a quota, and used of it.
type turn struct {
	reserved ledger.Reservation
	used     int // messages that were offered to the provider
	units    int // in which the quota counts them
}

// mayClaim returns how many rows the run may claim now. An error is the reason for none.
func (r *batchRun) mayClaim(ctx context.Context) (int, error) {
	if r.gate == nil {
		return claimSize, nil
	}
	if left := r.turn.reserved.Messages - r.turn.used; left > 0 {
		return left, nil
	}
	if r.turn.used > 0 && r.gate.hasRate() {
		return 0, errTurnOver
	}
	r.settle(ctx)
	most := min(claimSize, r.cfg.BatchSize)
	if r.batch.Size > 0 {
		most = min(most, r.batch.Size)
	}
	reserved, err := r.gate.reserve(ctx, most)
	r.turn.reserved = reserved
	return reserved.Messages, err
}

// use counts the messages that were offered to the provider.
func (r *batchRun) use(results []schoolbell.Result) {
	if r.gate == nil {
		return
	}
	n := 0
	for _, res := range results {
		if res.Verdict != schoolbell.VerdictUntried {
			n++
			r.turn.units += max(res.Units, 1)
		}
	}
	r.turn.used += n
	r.gate.metrics.quotaMessages.WithLabelValues(string(r.channel), string(r.lane)).Add(float64(n))
}

// settle ends the reservation of the run, if it has one.
func (r *batchRun) settle(ctx context.Context) {
	if r.gate != nil {
		r.gate.settle(ctx, r.turn.reserved, r.turn.units)
		r.turn = turn{}
	}
}

// pause ends a run that may not claim further rows. Its batch may nevertheless be finished: by the outcomes that the
// run records now, or because the event was cancelled or has expired.
func (r *batchRun) pause(ctx context.Context, why error) (any, error) {
	sent := r.turn.used
	if len(r.attempts) > 0 || r.ev.Status.Terminal() || expired(r.ev) {
		grant, err := r.claim(ctx, 0)
		if err != nil {
			return nil, err
		}
		if grant.Finished {
			return r.end(ctx, grant)
		}
	}
	switch {
	case errors.Is(why, errNoQuota):
		rest := r.gate.closed()
		if !r.ev.ExpiresAt.IsZero() {
			rest = min(rest, time.Until(r.ev.ExpiresAt)) // the deliveries expire then
		}
		return nil, r.rest(ctx, max(rest, r.throttle.rest(), time.Millisecond))
	case errors.Is(why, errTurnOver):
		return nil, r.behind(ctx, sent)
	}
	return nil, why
}

func expired(ev *schoolbell.Event) bool {
	return !ev.ExpiresAt.IsZero() && !time.Now().Before(ev.ExpiresAt)
}

// rest lets the queue of the lane rest, and returns the decision by which the job waits. With a rate, the job goes behind: if it kept a
// priority below that of jobs which were at the front meanwhile, events that took their place from those would wait until it has
// sent as many messages as the priorities are apart.
func (r *batchRun) rest(ctx context.Context, d time.Duration) error {
	if !r.gate.hasRate() || r.queue.RateLimit(ctx, d) != nil {
		return bullmq.Throttled(d)
	}
	return r.behind(ctx, 0)
}

// behind returns the decision by which a job that has sent so many messages lets jobs of other events run first.
func (r *batchRun) behind(ctx context.Context, sent int) error {
	front, err := r.queue.Front(ctx, "")
	if err != nil {
		return bullmq.Requeue() // the next run does the same
	}
	return bullmq.RequeueWithPriority(clampPriority(max(front.Priority, r.job.Priority+sent)))
}

// levels returns how many priorities a batch takes. Where jobs take turns, it is one for each message, so that its
// turns end before the turns of the next batch begin.
func (q *queues) levels(b ledger.Batch) int {
	if q.cfg.Quotas[b.Channel].Rate <= 0 && q.cfg.ProviderQuotas[b.Channel] == nil {
		return 1
	}
	if b.Size > 0 {
		return b.Size
	}
	return q.cfg.BatchSize
}
