package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count requests by route, so that their number does not grow with paths.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  prometheus.Gauge

	auditLost prometheus.Counter
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "schoolbell_http_requests_total", Help: "Requests answered, by route and status."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "schoolbell_http_request_seconds", Help: "Time to answer a request, without streams.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, []string{"route"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "schoolbell_http_streams", Help: "Open live streams."}),
		auditLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "schoolbell_audit_lost_total", Help: "Changes that are logged because their audit entry could not be stored."}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.streams, m.auditLost} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) observe(r *http.Request, rec *recorder, took time.Duration) {
	m.requests.WithLabelValues(routeOf(r), strconv.Itoa(rec.code())).Inc()
	if !strings.HasPrefix(rec.Header().Get("Content-Type"), eventStream) {
		m.seconds.WithLabelValues(routeOf(r)).Observe(took.Seconds())
	}
}
