package app

import (
	"crypto/tls"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"schoolbell/internal/advice"
	"schoolbell/internal/certificate"
)

// TLS returns the configuration of this process's listeners and the service that replaces
// the certificate when its files change. Without a certificate in the settings, both are nil.
func (r *Runtime) TLS() (*tls.Config, Service, error) {
	h := r.Config.HTTP
	if !h.TLS() {
		return nil, nil, nil
	}
	s, err := certificate.Open(certificate.Files{Cert: h.TLSCert, Key: h.TLSKey}, r.Log)
	if err != nil {
		return nil, nil, advice.Add(fmt.Errorf("TLS_CERT and TLS_KEY cannot be used: %w", err), "run: schoolbell doctor")
	}
	r.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "schoolbell_tls_certificate_end_seconds", Help: "When the TLS certificate in use ends, in Unix time.",
	}, func() float64 { return float64(s.NotAfter().Unix()) }))
	return s.Config(), s.Run, nil
}
