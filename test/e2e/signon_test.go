package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/openid"
	"schoolbell/test/system"
)

// signOn is a school whose staff sign in at an identity provider.
type signOn struct {
	*system.School
	t        *testing.T
	provider *openid.Provider
	serve    *system.Process
}

func newSignOn(t *testing.T, p system.Parts, prepare func(*openid.Provider)) *signOn {
	t.Helper()
	s := &signOn{t: t, provider: openid.New(t), School: system.New(t, p)}
	if prepare != nil {
		prepare(s.provider)
	}
	s.start()
	return s
}

func (s *signOn) start() {
	s.t.Helper()
	serve := s.LaunchWith(append(s.provider.Settings(), "PUBLIC_URL="+s.URL), "serve", "serve")
	serve.Await(" serves " + s.URL)
	s.serve = serve
	s.t.Cleanup(func() {
		if s.serve == serve {
			serve.Stop()
		}
	})
	s.AwaitReady()
}

// visitor is a browser.
type visitor struct {
	t    *testing.T
	http *http.Client
}

func newVisitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	must(t, err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// reply is what a browser gets.
type reply struct {
	status   int
	location string // absolute
	body     string
	headers  http.Header
}

func (v *visitor) do(r *http.Request) reply {
	v.t.Helper()
	resp, err := v.http.Do(r)
	must(v.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(v.t, err)
	to, err := r.URL.Parse(resp.Header.Get("Location"))
	must(v.t, err)
	return reply{resp.StatusCode, to.String(), string(body), resp.Header}
}

func (v *visitor) get(url string) reply {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	must(v.t, err)
	return v.do(r)
}

func (v *visitor) post(to string, form url.Values) reply {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	must(v.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(r)
}

// comesBack begins at a URL of the panel, continues at the identity provider, and returns the URL with which the browser comes back.
func (s *signOn) comesBack(v *visitor, from string) string {
	s.t.Helper()
	start := v.get(from)
	if start.status != http.StatusSeeOther || !strings.HasPrefix(start.location, s.provider.URL+"/authorize?") {
		s.t.Fatalf("%s: %d to %s\n%s", from, start.status, start.location, start.body)
	}
	if r := v.get(start.location); r.status != http.StatusOK {
		s.t.Fatalf("the page of the identity provider: %d", r.status)
	}
	u, err := url.Parse(start.location)
	must(s.t, err)
	back := v.post(s.provider.URL+"/decide", url.Values{"request": {u.RawQuery}, "go": {"on"}})
	if !strings.HasPrefix(back.location, s.URL+"/panel/oidc/callback?") {
		s.t.Fatalf("the identity provider sends the browser to %s", back.location)
	}
	return back.location
}

// signsIn goes the whole way.
func (s *signOn) signsIn(v *visitor) reply {
	s.t.Helper()
	return v.get(s.comesBack(v, s.URL+"/panel/oidc/start"))
}

func (s *signOn) account(email, role string) (id string) {
	s.t.Helper()
	var made struct{ ID string }
	must(s.t, json.Unmarshal([]byte(s.Does("staff", "add", email, "--name", "Mara Tennick", "--role", role, "--json")), &made))
	return made.ID
}

// in reports whether a browser has a session.
func (s *signOn) in(v *visitor) bool { return v.get(s.URL+"/panel/account").status == http.StatusOK }

func TestSignOn(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, p system.Parts) {
		s := newSignOn(t, p, nil)
		s.account("office@hollowbrook.example", "admin")
		t.Run("somebody without an account is told so", s.testNoAccount)
		t.Run("the first sign-in links the account", s.testLink)
		t.Run("an answer counts once", s.testReplay)
		t.Run("the session that was there before is ended", s.testFixation)
		t.Run("an address has to be verified", s.testVerified)
		t.Run("the identity provider misbehaves", s.testMisbehaves)
		t.Run("doctor checks it", s.testDoctor)
		t.Run("it is unavailable for a while", s.testUnavailable)
		t.Run("those who fail too often wait", s.testThrottle)
		t.Run("the log names no person", func(t *testing.T) {
			for _, private := range []string{"hollowbrook.example", "Mara", openid.ClientSecret, "person-"} {
				if strings.Contains(s.serve.Output(), private) {
					t.Errorf("the log has %q:\n%s", private, s.serve.Output())
				}
			}
		})
	})
}

func (s *signOn) testNoAccount(t *testing.T) {
	s.provider.Person("person-0", "Nobody<b>@hollowbrook.example")
	v := newVisitor(t)
	r := s.signsIn(v)
	if r.status != http.StatusForbidden || !strings.Contains(r.body, "There is no staff account for nobody&lt;b&gt;@hollowbrook.example") || s.in(v) {
		t.Errorf("%d\n%s", r.status, r.body)
	}
	other := regexp.MustCompile(`href="([^"]*choose)"`).FindStringSubmatch(r.body)
	if other == nil {
		t.Fatalf("no other account can be used:\n%s", r.body)
	}
	s.comesBack(v, other[1])
	if p := s.provider.Prompts(); p[len(p)-1] != "select_account" {
		t.Errorf("prompts %q", p)
	}
	if r := s.signsIn(v); r.status != http.StatusForbidden { // an account was not made meanwhile
		t.Errorf("again: %d", r.status)
	}
}

func (s *signOn) testLink(t *testing.T) {
	s.provider.Person("person-1", "Office@hollowbrook.example")
	v := newVisitor(t)
	back := s.comesBack(v, s.URL+"/panel/oidc/start?next="+url.QueryEscape("events?status=held"))
	if r := v.get(back); r.status != http.StatusSeeOther || r.location != s.URL+"/panel/events?status=held" || !s.in(v) {
		t.Fatalf("%d to %s\n%s", r.status, r.location, r.body)
	}
	if r := v.get(s.URL + "/panel/audit?action=staff.sign_in"); !strings.Contains(r.body, "Mara Tennick") || !strings.Contains(r.body, "linked") {
		t.Errorf("the audit log:\n%s", r.body)
	}
	s.provider.Person("person-1", "mara.new@hollowbrook.example")
	if r := s.signsIn(v); r.status != http.StatusSeeOther {
		t.Errorf("with another address: %d\n%s", r.status, r.body)
	}
	s.provider.Person("person-2", "office@hollowbrook.example")
	thief := newVisitor(t)
	if r := s.signsIn(thief); r.status != http.StatusForbidden || !strings.Contains(r.body, "belongs to another sign-in") || s.in(thief) {
		t.Errorf("another person with the address: %d\n%s", r.status, r.body)
	}
	for _, next := range []string{"https://evil.example", "//evil.example", "../../m/x"} {
		s.provider.Person("person-1", "")
		if r := v.get(s.comesBack(v, s.URL+"/panel/oidc/start?next="+url.QueryEscape(next))); r.location != s.URL+"/panel/" {
			t.Errorf("%q leads to %s", next, r.location)
		}
	}
	if r := v.post(s.URL+"/panel/sign-out", nil); r.status != http.StatusSeeOther || s.in(v) {
		t.Errorf("signed out: %d", r.status)
	}
}

func (s *signOn) testReplay(t *testing.T) {
	s.provider.Person("person-1", "office@hollowbrook.example")
	v, thief := newVisitor(t), newVisitor(t)
	back := s.comesBack(v, s.URL+"/panel/oidc/start")
	if r := thief.get(back); r.status != http.StatusBadRequest || !strings.Contains(r.body, "not good any more") || s.in(thief) {
		t.Errorf("in another browser: %d\n%s", r.status, r.body)
	}
	s.comesBack(thief, s.URL+"/panel/oidc/start")
	if r := thief.get(back); r.status != http.StatusBadRequest || s.in(thief) {
		t.Errorf("in a browser with an attempt of its own: %d\n%s", r.status, r.body)
	}
	panel, err := url.Parse(s.URL + "/panel/")
	must(t, err)
	var attempt []*http.Cookie
	for _, c := range v.http.Jar.Cookies(panel) {
		if strings.Contains(c.Name, "attempt") {
			attempt = append(attempt, c)
		}
	}
	if r := v.get(back); r.status != http.StatusSeeOther || len(attempt) != 1 {
		t.Fatalf("%d\n%s", r.status, r.body)
	}
	if r := v.get(back); r.status != http.StatusSeeOther || r.location != s.URL+"/panel/" { // as with the button Back
		t.Errorf("again: %d to %s", r.status, r.location)
	}
	thief.http.Jar.SetCookies(panel, attempt)
	if r := thief.get(back); r.status != http.StatusBadRequest || !strings.Contains(r.body, "was used before") || s.in(thief) {
		t.Errorf("with a copy of the cookie: %d\n%s", r.status, r.body)
	}
}

func (s *signOn) testFixation(t *testing.T) {
	s.provider.Person("person-1", "office@hollowbrook.example")
	v, before := newVisitor(t), newVisitor(t)
	s.signsIn(before)
	panel, err := url.Parse(s.URL + "/panel/")
	must(t, err)
	for _, c := range before.http.Jar.Cookies(panel) {
		c.Path = "/"
		v.http.Jar.SetCookies(panel, []*http.Cookie{c})
	}
	if r := s.signsIn(v); r.status != http.StatusSeeOther || !s.in(v) || s.in(before) {
		t.Errorf("%d; the session from before works: %v", r.status, s.in(before))
	}
}

func (s *signOn) testVerified(t *testing.T) {
	defer s.provider.Behave(openid.Manner{})
	for n, c := range []struct {
		claims, info map[string]any
		in           bool
	}{
		{claims: map[string]any{"email_verified": false}},
		{claims: map[string]any{"email_verified": "false"}},
		{claims: map[string]any{"email_verified": nil}},
		{claims: map[string]any{"email_verified": false, "xms_edov": true}},
		{claims: map[string]any{"email_verified": nil, "xms_edov": false}},
		{claims: map[string]any{"email": nil}},
		{claims: map[string]any{"email": nil}, info: map[string]any{"email": "N@hollowbrook.example", "email_verified": true, "sub": "person-0"}},
		{claims: map[string]any{"email": nil}, info: map[string]any{"email": "N@hollowbrook.example"}},
		{claims: map[string]any{"email_verified": "true"}, in: true},
		{claims: map[string]any{"email_verified": nil, "xms_edov": "1"}, in: true},
		{claims: map[string]any{"email": nil}, info: map[string]any{"email": "N@hollowbrook.example", "email_verified": true}, in: true},
	} {
		email := fmt.Sprintf("verified%d@hollowbrook.example", n)
		s.account(email, "viewer")
		s.provider.Person("person-verified-"+fmt.Sprint(n), email)
		if c.info["email"] != nil {
			c.info["email"] = email
		}
		s.provider.Behave(openid.Manner{Claims: c.claims, UserInfo: c.info})
		v := newVisitor(t)
		if r := s.signsIn(v); c.in != s.in(v) || !c.in && r.status != http.StatusForbidden {
			t.Errorf("%v %v: %d\n%s", c.claims, c.info, r.status, r.body)
		}
	}
}

func (s *signOn) testMisbehaves(t *testing.T) {
	defer s.provider.Behave(openid.Manner{})
	s.provider.Person("person-1", "office@hollowbrook.example")
	for what, c := range map[string]struct {
		manner openid.Manner
		status int
		text   string // of the page
		reason string // in the log; empty if it works
	}{
		"it works":                {openid.Manner{}, 303, "", ""},
		"ES256":                   {openid.Manner{Algorithm: "ES256"}, 303, "", ""},
		"several audiences":       {openid.Manner{Claims: map[string]any{"aud": []string{"other", openid.ClientID}, "azp": openid.ClientID}}, 303, "", ""},
		"its issuer is told":      {openid.Manner{Issuer: s.provider.URL}, 303, "", ""},
		"cancelled":               {openid.Manner{Deny: "access_denied"}, 200, "was cancelled", "cancelled"},
		"not let in":              {openid.Manner{Deny: "login_required"}, 403, "did not let you in", "refused"},
		"a text for an error":     {openid.Manner{Deny: "office@hollowbrook.example is not known"}, 403, "did not let you in", "refused"},
		"an error of its own":     {openid.Manner{Deny: "server_error"}, 503, "does not work at the moment", "unavailable"},
		"another client":          {openid.Manner{Reject: "invalid_client"}, 502, "not set up correctly", "setup"},
		"an old code":             {openid.Manner{Reject: "invalid_grant"}, 400, "was used before", "used code"},
		"no answer":               {openid.Manner{TokenDown: true}, 503, "does not work at the moment", "unavailable"},
		"no ID token":             {openid.Manner{NoIDToken: true}, 502, "cannot be trusted", "untrusted"},
		"another nonce":           {openid.Manner{Claims: map[string]any{"nonce": "x"}}, 400, "belongs to another attempt", "other nonce"},
		"no nonce":                {openid.Manner{Claims: map[string]any{"nonce": nil}}, 400, "belongs to another attempt", "other nonce"},
		"another audience":        {openid.Manner{Claims: map[string]any{"aud": "other"}}, 502, "not set up correctly", "other client"},
		"another party":           {openid.Manner{Claims: map[string]any{"azp": "other"}}, 502, "not set up correctly", "other client"},
		"audiences, no party":     {openid.Manner{Claims: map[string]any{"aud": []string{"other", openid.ClientID}}}, 502, "not set up correctly", "other client"},
		"another issuer":          {openid.Manner{Claims: map[string]any{"iss": "https://other.example"}}, 502, "cannot be trusted", "untrusted"},
		"the answer of another":   {openid.Manner{Issuer: "https://other.example"}, 502, "cannot be trusted", "untrusted"},
		"an expired ID token":     {openid.Manner{Claims: map[string]any{"exp": 1_700_000_000}}, 400, "has expired", "expired token"},
		"nobody":                  {openid.Manner{Claims: map[string]any{"sub": ""}}, 502, "cannot be trusted", "untrusted"},
		"a bad signature":         {openid.Manner{OtherKey: true}, 502, "cannot be trusted", "untrusted"},
		"no signature":            {openid.Manner{Algorithm: "none"}, 502, "cannot be trusted", "untrusted"},
		"a signature without key": {openid.Manner{Algorithm: "HS256"}, 502, "cannot be trusted", "untrusted"},
	} {
		s.provider.Behave(c.manner)
		v := newVisitor(t)
		r := s.signsIn(v)
		if r.status != c.status || !strings.Contains(r.body, c.text) || s.in(v) != (c.reason == "") {
			t.Errorf("%s: %d, want %d %q\n%s", what, r.status, c.status, c.text, r.body)
		}
		if reason := fmt.Sprintf("reason=%s", c.reason); c.reason != "" && !strings.Contains(strings.ReplaceAll(s.serve.Output(), `"`, ""), reason) {
			t.Errorf("%s: the log has no %s:\n%s", what, reason, s.serve.Output())
		}
	}
	s.provider.Behave(openid.Manner{})
	s.provider.Rotate()
	if r := s.signsIn(newVisitor(t)); r.status != http.StatusSeeOther {
		t.Errorf("with new keys: %d\n%s", r.status, r.body)
	}
	s.provider.Rotate()
	s.provider.Behave(openid.Manner{KeysDown: true})
	if r := s.signsIn(newVisitor(t)); r.status != http.StatusServiceUnavailable {
		t.Errorf("without its new keys: %d\n%s", r.status, r.body)
	}
}

// testDoctor runs doctor with the settings of the process.
func (s *signOn) testDoctor(t *testing.T) {
	defer s.provider.Behave(openid.Manner{})
	for _, c := range []struct {
		manner openid.Manner
		want   string
	}{
		{openid.Manner{}, "it must know the redirect URL " + s.URL + "/panel/oidc/callback"},
		{openid.Manner{KeysDown: true}, "read the keys of OIDC_ISSUER"},
		{openid.Manner{Down: true}, "read the metadata of OIDC_ISSUER"},
	} {
		s.provider.Behave(c.manner)
		if r := s.Run(append(s.provider.Settings(), "PUBLIC_URL="+s.URL), "doctor"); !strings.Contains(r.Out, c.want) {
			t.Errorf("%+v: no %q:\n%s%s", c.manner, c.want, r.Out, r.Err)
		}
	}
}

func (s *signOn) testUnavailable(t *testing.T) {
	s.serve.Stop()
	s.provider.Behave(openid.Manner{Down: true})
	defer s.provider.Behave(openid.Manner{})
	s.start()
	v := newVisitor(t)
	if r := v.get(s.URL + "/panel/sign-in"); r.status != http.StatusOK || !strings.Contains(r.body, "Hollowbrook ID") {
		t.Errorf("the page: %d\n%s", r.status, r.body)
	}
	if r := v.get(s.URL + "/panel/oidc/start?next=people"); r.status != http.StatusServiceUnavailable ||
		!strings.Contains(r.body, "Try again in a few minutes, or sign in with your password") || !strings.Contains(r.body, `name="next" value="people"`) {
		t.Errorf("%d\n%s", r.status, r.body)
	}
	s.provider.Person("person-1", "office@hollowbrook.example")
	s.provider.Behave(openid.Manner{})
	testenv.Eventually(t, 30*time.Second, func() error {
		if r := v.get(s.URL + "/panel/oidc/start"); r.status != http.StatusSeeOther {
			return fmt.Errorf("%d", r.status)
		}
		return nil
	}, "the identity provider is used again")
	if r := s.signsIn(v); r.status != http.StatusSeeOther || !s.in(v) {
		t.Errorf("%d\n%s", r.status, r.body)
	}
}

func (s *signOn) testThrottle(t *testing.T) {
	for n := range 31 {
		v := newVisitor(t)
		start, err := url.Parse(v.get(s.URL + "/panel/oidc/start").location)
		must(t, err)
		r := v.get(s.URL + "/panel/oidc/callback?" + url.Values{"code": {"guessed"}, "state": {start.Query().Get("state")}}.Encode())
		if want := map[bool]int{true: http.StatusTooManyRequests, false: http.StatusBadRequest}[n == 30]; r.status != want {
			t.Fatalf("attempt %d: %d, want %d\n%s", n+1, r.status, want, r.body)
		}
	}
}
