package api_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/api"
)

func TestRefusedKeys(t *testing.T) {
	t.Parallel()
	now := make(chan time.Time, 1)
	now <- time.Now()
	clock := func() time.Time { at := <-now; now <- at; return at }
	s := newServer(t, func(c *api.Config) { c.Clock = clock })
	s.user("u1")
	const guesses = 60
	for i := range guesses {
		s.raw("GET", "/v1/users", "", "Authorization", fmt.Sprint("Bearer guess-", i))
	}
	if n := strings.Count(s.log.String(), "API key refused"); n != 10 {
		t.Errorf("%d lines about %d guesses", n, guesses)
	}
	print := fmt.Sprintf("%x", sha256.Sum256([]byte("guess-0")))[:12]
	if log := s.log.String(); !strings.Contains(log, `reason=unknown fingerprint=`+print+` route=list-users`) || strings.Contains(log, "guess-0") {
		t.Errorf("the log says %s", log)
	}
	now <- (<-now).Add(time.Minute)
	s.raw("GET", "/v1/users", "", "Authorization", "Bearer late")
	if !strings.Contains(s.log.String(), "skipped=50") {
		t.Error("the next line does not count those that were skipped")
	}

	expired, _, err := s.auth.CreateKey(t.Context(), "old", schoolbell.ScopeRead, time.Now().Add(time.Hour))
	must(t, err)
	s.later(2 * time.Hour)
	s.raw("GET", "/v1/users", "", "Authorization", "Bearer "+expired)
	s.raw("GET", "/v1/users", "", "Authorization", "")
	s.raw("PUT", "/v1/users/u1", "{}", "Authorization", "Bearer "+s.keys[schoolbell.ScopeRead])
	s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer sbu2.AAAA.AAAA")
	body := s.raw("GET", "/metrics", "", "Authorization", "").body
	for reason, n := range map[string]int{"unknown": guesses + 2, "expired": 1, "missing": 1, "forbidden": 1, "revoked": 0, "limited": 0} {
		if want := fmt.Sprintf("schoolbell_http_refused_total{reason=%q} %d\n", reason, n); !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestExpiredKey(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	secret, _, err := s.auth.CreateKey(t.Context(), "guest", schoolbell.ScopeSend, time.Now().Add(time.Hour))
	must(t, err)
	s.user("u1")
	tok, err := s.as(secret).CreateToken(t.Context(), "u1", 2*time.Hour)
	must(t, err)
	get := func(credential string) int {
		return s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+credential).StatusCode
	}
	if key, token := get(secret), get(tok.Token); key != 200 || token != 200 {
		t.Errorf("before: %d, token %d", key, token)
	}
	s.later(61 * time.Minute)
	if p := s.raw("GET", "/v1/users", "", "Authorization", "Bearer "+secret).problem(t); p.Status != 401 || !strings.Contains(p.Detail, "expired") {
		t.Errorf("afterwards: %d %s", p.Status, p.Detail)
	}
	if token := get(tok.Token); token != 401 {
		t.Errorf("a token of an expired key: %d", token)
	}
}

func TestRotatedKey(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	old := s.keys[schoolbell.ScopeSend]
	first := s.raw("POST", "/v1/events", event(), "Idempotency-Key", "once", "Authorization", "Bearer "+old)
	secret, k, replaced, err := s.auth.Rotate(t.Context(), first12(old), time.Hour, time.Time{})
	must(t, err)
	if k.ID != replaced.ID || k.Name != "send" || k.Scope != schoolbell.ScopeSend {
		t.Errorf("%+v became %+v", replaced, k)
	}
	for _, credential := range []string{old, secret} {
		again := s.raw("POST", "/v1/events", event(), "Idempotency-Key", "once", "Authorization", "Bearer "+credential)
		if again.StatusCode != 200 || again.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("the event is created again: %d", again.StatusCode)
		}
	}
	s.later(time.Hour + time.Minute)
	if a := s.raw("GET", "/v1/events", "", "Authorization", "Bearer "+old); a.StatusCode != 401 {
		t.Errorf("the old secret after its grace: %d", a.StatusCode)
	}
	if a := s.raw("GET", "/v1/events", "", "Authorization", "Bearer "+secret); a.StatusCode != 200 {
		t.Errorf("the new secret: %d", a.StatusCode)
	}
}

func first12(secret string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(secret)))[:12] }
