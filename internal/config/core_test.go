package config_test

import (
	"slices"
	"testing"

	"schoolbell/internal/config"
)

// TestCore: a command on the ledger does not look at settings that it does not use.
func TestCore(t *testing.T) {
	var c config.Core
	_, err := config.Load(&c, config.Sources{Env: []string{"DATA_DIR=/srv/bell", "HTTP_ADDR=nowhere", "REDIS_PORT=many", "SMTP_HOST=mail.hill.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if c.SQLitePath() != "/srv/bell/schoolbell.db" || !c.Set("DATA_DIR") || c.Set("DATABASE_URL") {
		t.Errorf("ledger %s, set: DATA_DIR %v, DATABASE_URL %v", c.SQLitePath(), c.Set("DATA_DIR"), c.Set("DATABASE_URL"))
	}
	c.General.LogLevel, c.Ledger.Connections = "loud", 1
	if got := fields(t, c.Check()); !slices.Equal(got, []string{"LOG_LEVEL", "DATABASE_CONNECTIONS"}) {
		t.Errorf("faults of %v, want LOG_LEVEL and DATABASE_CONNECTIONS", got)
	}
}

// TestStaff: links lead to PUBLIC_URL, or to where the server listens.
func TestStaff(t *testing.T) {
	for _, c := range []struct {
		name, want string
		env        []string
	}{
		{"nothing is set", "http://127.0.0.1:8080", nil},
		{"every interface", "http://127.0.0.1:9000", []string{"HTTP_ADDR=0.0.0.0:9000"}},
		{"a certificate", "https://127.0.0.1:8080", []string{"TLS_CERT=/etc/bell/cert.pem"}},
		{"a public URL", "https://bell.hill.example", []string{"PUBLIC_URL=https://bell.hill.example", "HTTP_ADDR=0.0.0.0:9000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s config.Staff
			if _, err := config.Load(&s, config.Sources{Env: c.env}); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(); err != nil || s.HTTP.PublicURL != c.want {
				t.Errorf("PUBLIC_URL is %q (%v), want %q", s.HTTP.PublicURL, err, c.want)
			}
		})
	}
}
