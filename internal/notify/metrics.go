package notify

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
)

// Metrics counts what the pipeline of this process did since it started. It is
// a collector for one registry.
type Metrics struct {
	accepted   prometheus.Counter
	walked     prometheus.Counter
	attempts   *prometheus.CounterVec
	groups     *prometheus.HistogramVec
	lost       prometheus.Counter
	reconciled *prometheus.CounterVec

	quotaMessages  *prometheus.CounterVec
	quotaWaits     *prometheus.CounterVec
	quotaUsed      *prometheus.GaugeVec
	quotaUsedMonth *prometheus.GaugeVec
}

func newMetrics() *Metrics {
	return &Metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "schoolbell_events_accepted_total", Help: "Events stored, without replays."}),
		walked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "schoolbell_fanout_users_total", Help: "Users for whom deliveries were created."}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_delivery_attempts_total", Help: "Attempts to send, by channel and verdict."}, []string{"channel", "verdict"}),
		groups: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "schoolbell_send_seconds", Help: "Time to send the messages of one claim.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}, []string{"channel"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "schoolbell_outcomes_lost_total", Help: "Outcomes that arrived after another worker had claimed the row."}),
		reconciled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_jobs_rebuilt_total", Help: "Jobs rebuilt from the ledger, by kind."}, []string{"kind"}),
		quotaMessages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_quota_messages_total", Help: "Messages offered to the provider of a channel with a quota, by channel and lane."}, []string{"channel", "lane"}),
		quotaWaits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_quota_waits_total", Help: "Times that a job had to wait for a quota, by channel, lane and limit (rate, daily or monthly)."}, []string{"channel", "lane", "limit"}),
		quotaUsed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "schoolbell_quota_daily_used", Help: "Messages of all workers that counted for the daily limit of a channel when this process last asked."}, []string{"channel"}),
		quotaUsedMonth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "schoolbell_quota_monthly_used", Help: "Segments of all workers that counted for the monthly limit of a channel when this process last asked."}, []string{"channel"}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.accepted, m.walked, m.attempts, m.groups, m.lost, m.reconciled, m.quotaMessages, m.quotaWaits, m.quotaUsed, m.quotaUsedMonth} {
		c.Collect(ch)
	}
}

func (m *Metrics) sent(ch schoolbell.Channel, results []schoolbell.Result, took time.Duration) {
	for _, r := range results {
		m.attempts.WithLabelValues(string(ch), string(r.Verdict)).Inc()
	}
	m.groups.WithLabelValues(string(ch)).Observe(took.Seconds())
}
