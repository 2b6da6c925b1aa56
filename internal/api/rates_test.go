package api_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/testenv"
)

func limited(perKey, perAddress int, proxies ...string) func(*api.Config) {
	return func(c *api.Config) {
		c.Rates = api.RateLimits{PerKey: perKey, PerAddress: perAddress}
		for _, p := range proxies {
			c.Rates.TrustedProxies = append(c.Rates.TrustedProxies, netip.MustParsePrefix(p))
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	t.Run("requests of one key are limited", testRateLimitKey)
	t.Run("wrong keys from one address are limited", testRateLimitWrongKeys)
	t.Run("the address behind a trusted proxy counts", testRateLimitProxy)
	t.Run("nothing is rejected without limits", testRateLimitOff)
}

func testRateLimitKey(t *testing.T) {
	t.Parallel()
	s := newServer(t, limited(1, 0))
	s.user("u1")
	token := s.token("u1")
	answered, refused := 0, 0
	for range 40 {
		a := s.raw("POST", "/v1/events", event(), "Authorization", "Bearer "+s.keys[schoolbell.ScopeSend])
		switch a.StatusCode {
		case 201:
			answered++
			if a.Header.Get("RateLimit-Limit") != "10" || a.Header.Get("RateLimit-Remaining") == "" || a.Header.Get("RateLimit-Reset") == "" {
				t.Errorf("headers %v", a.Header)
			}
		case 429:
			refused++
			p := a.problem(t)
			wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
			if p.Code != "limited" || err != nil || wait < 1 || wait > 10 || a.Header.Get("RateLimit-Remaining") != "0" {
				t.Errorf("%s, headers %v", p.Code, a.Header)
			}
		default:
			t.Errorf("answered %d", a.StatusCode)
		}
	}
	if answered < 10 || answered > 25 || refused == 0 {
		t.Errorf("%d answered, %d refused", answered, refused)
	}
	for name, credential := range map[string]string{"another key": s.keys[schoolbell.ScopeRead], "a user's token": token} {
		if a := s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+credential); a.StatusCode != 200 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	for range 30 {
		s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+token)
	}
	if a := s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+token); a.StatusCode != 429 {
		t.Errorf("a user's token, too often: %d", a.StatusCode)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/openapi.json"} {
		if a := s.raw("GET", path, "", "Authorization", ""); a.StatusCode != 200 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

func testRateLimitWrongKeys(t *testing.T) {
	t.Parallel()
	s := newServer(t, limited(0, 1))
	s.user("u1")
	revoked := s.token("u1")
	must(t, s.Client.RevokeTokens(t.Context(), "u1"))
	good := s.token("u1")
	counts := map[int]int{}
	for i := range 60 {
		credential := fmt.Sprint("Bearer wrong-", i)
		switch i % 3 {
		case 1:
			credential = ""
		case 2:
			credential = "Bearer sbu2.AAAA.AAAA"
		}
		counts[s.raw("GET", "/v1/users", "", "Authorization", credential).StatusCode]++
	}
	if counts[401] < 10 || counts[401] > 25 || counts[429] != 60-counts[401] {
		t.Errorf("answered %v", counts)
	}
	a := s.raw("GET", "/v1/users", "", "Authorization", "Bearer wrong")
	if p := a.problem(t); p.Code != "limited" || a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Limit") != "10" ||
		a.Header.Get("RateLimit-Remaining") != "0" || a.Header.Get("RateLimit-Reset") == "" {
		t.Errorf("%s, headers %v", p.Code, a.Header)
	}
	_, err := s.as("wrong").Groups(t.Context(), client.Page{})
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.RetryAfter < time.Second || p.RetryAfter > 10*time.Second {
		t.Errorf("the client has %#v", err)
	}
	// Who guesses keeps nobody out, not even keys and tokens that the server has not seen before.
	fresh, _, err := s.auth.CreateKey(t.Context(), "fresh", schoolbell.ScopeRead, time.Time{})
	must(t, err)
	for name, credential := range map[string]string{"a key": s.keys[schoolbell.ScopeRead], "a token": good} {
		for range 20 {
			if a := s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+credential); a.StatusCode != 200 {
				t.Fatalf("%s behind the same address: %d", name, a.StatusCode)
			}
		}
	}
	testenv.Eventually(t, 10*time.Second, func() bool {
		return s.raw("GET", "/v1/users", "", "Authorization", "Bearer "+fresh).StatusCode == 200
	}, "a new key is let through behind the same address")
	// A revoked token was issued here, but that lets it through once, not for ever.
	testenv.Eventually(t, 20*time.Second, func() bool {
		return s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+revoked).StatusCode == 429
	}, "a revoked token is limited")
}

func testRateLimitProxy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxies []string
		forward func(i int) string
		limited bool
	}{
		"no proxy is trusted":                      {nil, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, true},
		"each request from another address":        {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, false},
		"all from one address":                     {[]string{"127.0.0.0/8"}, func(int) string { return "192.0.2.7" }, true},
		"a forged address before the true one":     {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("192.0.2.%d, 198.51.100.1", i) }, true},
		"a chain of trusted proxies":               {[]string{"127.0.0.0/8", "10.0.0.0/8"}, func(i int) string { return fmt.Sprintf("192.0.2.%d, 10.1.2.3", i) }, false},
		"one IPv6 network":                         {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, true},
		"many IPv6 networks":                       {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) }, false},
		"what is no address":                       {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprint("unknown-", i) }, true},
		"all from one address, with ports":         {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("192.0.2.7:%d", 1000+i) }, true},
		"all from one IPv6 address, with ports":    {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("[2001:db8::7]:%d", 1000+i) }, true},
		"each from another address, with ports":    {[]string{"127.0.0.0/8"}, func(i int) string { return fmt.Sprintf("192.0.2.%d:99", i) }, false},
		"an IPv4 address in the form of an IPv6's": {[]string{"127.0.0.0/8"}, func(int) string { return "::ffff:192.0.2.7" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, limited(0, 1, c.proxies...))
			refused := 0
			for i := range 40 {
				if s.raw("GET", "/v1/users", "", "Authorization", "Bearer wrong", "X-Forwarded-For", c.forward(i)).StatusCode == 429 {
					refused++
				}
			}
			if (refused > 0) != c.limited {
				t.Errorf("%d of 40 were refused", refused)
			}
		})
	}
}

func testRateLimitOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, limited(0, 0))
	for i := range 300 {
		a := s.raw("GET", "/v1/groups", "", "Authorization", "Bearer "+[]string{"wrong", s.keys[schoolbell.ScopeRead]}[i%2])
		if a.StatusCode == 429 || strings.Contains(fmt.Sprint(a.Header), "Ratelimit") {
			t.Fatalf("request %d: %d %v", i, a.StatusCode, a.Header)
		}
	}
}
