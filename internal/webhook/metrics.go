package webhook

import (
	"github.com/prometheus/client_golang/prometheus"

	"schoolbell"
	"schoolbell/internal/ledger"
)

type metrics struct {
	attempts, ended *prometheus.CounterVec
	disabled        prometheus.Counter
}

const (
	resultSent   = "sent"
	resultFailed = "failed"
)

func newMetrics() metrics {
	m := metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "schoolbell_webhook_attempts_total",
			Help: "Attempts to send a message to a webhook, by result."}, []string{"result"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "schoolbell_webhook_messages_total",
			Help: "Messages to webhooks that were sent, or given up after their last attempt."}, []string{"result"}),
		disabled: prometheus.NewCounter(prometheus.CounterOpts{Name: "schoolbell_webhooks_disabled_total",
			Help: "Webhooks that were disabled because their receiver wants no more messages or fails for days."}),
	}
	for _, result := range []string{resultSent, resultFailed} {
		m.attempts.WithLabelValues(result)
		m.ended.WithLabelValues(result)
	}
	return m
}

func (m metrics) note(a schoolbell.WebhookAttempt, r ledger.WebhookResult) {
	result := resultFailed
	if a.OK() {
		result = resultSent
	}
	m.attempts.WithLabelValues(result).Inc()
	if r.Ended {
		m.ended.WithLabelValues(result).Inc()
	}
	if r.Disable != "" {
		m.disabled.Inc()
	}
}
