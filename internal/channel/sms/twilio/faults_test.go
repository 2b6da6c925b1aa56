package twilio_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/sms/twilio"
	"schoolbell/internal/fake"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	const (
		retry, slow, giveUp, uncertain = schoolbell.VerdictRetry, schoolbell.VerdictSlowDown, schoolbell.VerdictGiveUp, schoolbell.VerdictUncertain
		bounced, stopped               = schoolbell.AddressBounced, schoolbell.AddressStopped
	)
	for _, c := range []struct {
		status, code int
		verdict      schoolbell.Verdict
		address      schoolbell.AddressState
		rest         time.Duration
		alarm        string // in the log
	}{
		{401, 20003, slow, "", 5 * time.Minute, "check the Twilio settings"},
		{404, 20404, slow, "", 5 * time.Minute, "check the Twilio settings"},
		{400, 30002, slow, "", 5 * time.Minute, "check the Twilio settings"},
		{400, 21606, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 21603, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 21703, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 21705, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 21212, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 21608, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 30032, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{400, 30034, slow, "", 5 * time.Minute, "TWILIO_FROM"},
		{429, 20429, slow, "", 0, ""},
		{400, 30022, slow, "", 0, ""},
		{429, 14107, slow, "", 30 * time.Second, ""},
		{429, 21611, slow, "", 10 * time.Minute, ""},
		{400, 30023, slow, "", time.Hour, ""},
		{429, 63038, slow, "", time.Hour, ""},
		{400, 21211, giveUp, bounced, 0, ""},
		{400, 21614, giveUp, bounced, 0, ""},
		{400, 21635, giveUp, bounced, 0, ""},
		{400, 30005, giveUp, bounced, 0, ""},
		{400, 30006, giveUp, bounced, 0, ""},
		{400, 21610, giveUp, stopped, 0, ""},
		{400, 21408, giveUp, "", 0, "geographic permissions"},
		{400, 21612, giveUp, "", 0, ""},
		{400, 30004, giveUp, "", 0, "carriers reject"},
		{400, 30007, giveUp, "", 0, "carriers reject"},
		{400, 21602, giveUp, "", 0, "error of the program"},
		{400, 21617, giveUp, "", 0, "error of the program"},
		{400, 30001, retry, "", 0, ""},
		{400, 30003, retry, "", 0, ""},
		{400, 30008, retry, "", 0, ""},
		{500, 20500, uncertain, "", 0, ""},
		{400, 30410, uncertain, "", 0, ""},
		// Codes that the table does not have, and replies of machines in front of Twilio.
		{400, 29999, giveUp, "", 0, ""},
		{429, 29999, slow, "", 0, ""},
		{503, 29999, uncertain, "", 0, ""},
		{403, 29999, slow, "", 5 * time.Minute, "check the Twilio settings"},
		{422, 0, giveUp, "", 0, ""},
		{408, 0, uncertain, "", 0, ""},
		{429, 0, slow, "", 0, ""},
		{502, 0, uncertain, "", 0, ""},
		{307, 0, slow, "", 5 * time.Minute, "check the Twilio settings"},
	} {
		t.Run(fmt.Sprintf("error %d with status %d", c.code, c.status), func(t *testing.T) {
			t.Parallel()
			log := &lines{}
			f, s := start(t, fake.TwilioOptions{Answer: func(fake.TwilioMessage) fake.TwilioAnswer {
				return fake.TwilioAnswer{Status: c.status, Code: c.code, Text: "The 'To' number " + number + " is wrong\r\nfor " + from}
			}}, func(cfg *twilio.Config) { cfg.Logger = slog.New(slog.NewTextHandler(log, nil)) })
			r := sendOne(s, text("A private text"))
			if r.Verdict != c.verdict || r.Address != c.address || r.After != c.rest || len(f.Messages()) != 0 {
				t.Errorf("%+v, want %s, address %q, rest %v", r, c.verdict, c.address, c.rest)
			}
			if c.code > 0 && !strings.HasPrefix(r.Reason, fmt.Sprintf("Twilio error %d: ", c.code)) || c.code == 0 && r.Reason != fmt.Sprintf("Twilio status %d", c.status) {
				t.Errorf("the reason is %q", r.Reason)
			}
			logged := log.String()
			if c.alarm == "" && logged != "" || !strings.Contains(logged, c.alarm) {
				t.Errorf("logged %q, want %q", logged, c.alarm)
			}
			for _, private := range []string{number, strings.TrimPrefix(number, "+"), from, "A private text", secret} {
				if strings.Contains(r.Reason+logged, private) {
					t.Errorf("%q tells %s", r.Reason+logged, private)
				}
			}
		})
	}
}

// lines is a log that may be written by several goroutines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func TestAlarms(t *testing.T) {
	t.Parallel()
	log := &lines{}
	_, s := start(t, fake.TwilioOptions{}, func(c *twilio.Config) {
		c.AuthToken = "wrong"
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	for range 3 {
		if r := sendOne(s, text("Hello")); r.Verdict != schoolbell.VerdictSlowDown {
			t.Errorf("%+v", r)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines were logged, want 1:\n%s", n, log.String())
	}
	if err := s.Check(t.Context()); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable || strings.Contains(err.Error(), "wrong") {
		t.Errorf("Check: %v", err)
	}
}

// A reply may name a message that has failed already.
func TestFailedReply(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"sid":"SM1","status":"failed","error_code":30006,"error_message":null}`))
	}))
	t.Cleanup(server.Close)
	s, err := twilio.New(twilio.Config{URL: server.URL, AccountSID: account, AuthToken: secret, From: from})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := sendOne(s, text("Hello"))
	if r.Verdict != schoolbell.VerdictGiveUp || r.ProviderID != "SM1" || r.Address != schoolbell.AddressBounced || r.Reason != "Twilio error 30006: failed" {
		t.Errorf("%+v", r)
	}
}
