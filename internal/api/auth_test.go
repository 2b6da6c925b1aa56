package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/auth"
)

// needed is what each call asks for, written down a second time: a slip in the
// table must not go unseen. A star means that the user's own token will do.
const needed = `
POST /v1/events send
POST /v1/events:bulk send
POST /v1/events:preview send
GET /v1/events read
GET /v1/events/{id} read
GET /v1/events/{id}/deliveries read
GET /v1/events/{id}/stream read
PATCH /v1/events/{id} send
POST /v1/events/{id}/update send
POST /v1/events/{id}/cancel send
POST /v1/events/{id}/release send
POST /v1/events:release send
POST /v1/events/{id}/retry send
POST /v1/users:import admin
GET /v1/users read
PUT /v1/users/{id} admin
GET /v1/users/{id} read
DELETE /v1/users/{id} admin
GET /v1/users/{id}/deliveries read
GET /v1/users/{id}/export admin
POST /v1/users/{id}/token send
DELETE /v1/users/{id}/token send
GET /v1/users/{id}/preferences read*
PUT /v1/users/{id}/preferences send*
GET /v1/users/{id}/schedule read*
PUT /v1/users/{id}/schedule send*
POST /v1/users/{id}/calendar send*
DELETE /v1/users/{id}/calendar send*
GET /v1/users/{id}/devices read*
POST /v1/users/{id}/devices send*
DELETE /v1/users/{id}/devices/{device} send*
GET /v1/push open
GET /v1/users/{id}/inbox read*
GET /v1/users/{id}/inbox/stream read*
POST /v1/users/{id}/inbox/read-all send*
POST /v1/users/{id}/inbox/{event}/read send*
POST /v1/users/{id}/inbox/{event}/acknowledge send*
GET /v1/categories read
PUT /v1/categories/{id} admin
GET /v1/categories/{id} read
DELETE /v1/categories/{id} admin
GET /v1/templates read
GET /v1/templates/{category}/{channel}/{locale} read
PUT /v1/templates/{category}/{channel}/{locale} admin
DELETE /v1/templates/{category}/{channel}/{locale} admin
GET /v1/templates/{category}/{channel}/{locale}/versions read
POST /v1/templates/{category}/{channel}/{locale}/preview read
GET /v1/groups read
PUT /v1/groups/{id} admin
GET /v1/groups/{id} read
GET /v1/settings read
PUT /v1/settings admin
GET /v1/queues read
GET /v1/queues/{queue}/counts read
GET /v1/queues/{queue}/jobs read
GET /v1/queues/{queue}/jobs/{job} read
POST /v1/queues/{queue}/jobs/{job}/retry admin
POST /v1/queues/{queue}/jobs/{job}/promote admin
POST /v1/queues/{queue}/jobs/{job}/remove admin
POST /v1/queues/{queue}/pause admin
POST /v1/queues/{queue}/resume admin
POST /v1/queues/{queue}/clean admin
GET /v1/suppressions admin
POST /v1/suppressions admin
DELETE /v1/suppressions/{id} admin
POST /v1/channels/{channel}/test admin
POST /v1/receipts/ses/{secret} open
POST /v1/receipts/sendgrid/{secret} open
POST /v1/receipts/twilio/{secret} open
POST /v1/receipts/twilio/{secret}/inbound open
POST /v1/receipts/mail/{secret} open
GET /v1/webhooks admin
POST /v1/webhooks admin
GET /v1/webhooks/{id} admin
PATCH /v1/webhooks/{id} admin
DELETE /v1/webhooks/{id} admin
POST /v1/webhooks/{id}/rotate admin
POST /v1/webhooks/{id}/test admin
GET /v1/webhooks/{id}/attempts admin
GET /v1/audit admin
GET /livez open
GET /readyz open
GET /metrics open
GET /openapi.json open
`

func TestAuth(t *testing.T) {
	t.Parallel()
	t.Run("every route needs its documented scope", testAuthDocumentedScopes)
	t.Run("every route rejects missing and insufficient credentials", testAuthEveryRoute)
	t.Run("a user token opens what is its user's own", testAuthUserToken)
	t.Run("an expired token is rejected", testAuthExpiredToken)
	t.Run("a rejection names the scheme and the missing scope", testAuthRejectionDetails)
}

func testAuthDocumentedScopes(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteByte('\n')
	for _, rt := range newServer(t).api.Routes() {
		need := string(rt.Need)
		if need == "" {
			need = "open"
		}
		if rt.User {
			need += "*"
		}
		fmt.Fprintln(&table, rt.Method, rt.Path, need)
	}
	if diff := cmp.Diff(needed, table.String()); diff != "" {
		t.Error(diff)
	}
}

func testAuthEveryRoute(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.user("u2")
	token := s.token("u1")
	fill := strings.NewReplacer("{id}", "u1", "{event}", "e1", "{queue}", "q1", "{job}", "j1", "{channel}", "email")
	other := strings.NewReplacer("{id}", "u2", "{event}", "e1", "{queue}", "q1", "{job}", "j1", "{channel}", "email")
	lesser := map[schoolbell.Scope]schoolbell.Scope{schoolbell.ScopeAdmin: schoolbell.ScopeSend, schoolbell.ScopeSend: schoolbell.ScopeRead}

	for _, rt := range s.api.Routes() {
		t.Run(rt.Method+" "+rt.Path, func(t *testing.T) {
			path := fill.Replace(rt.Path)
			status := func(path, authorization string) int {
				return s.raw(rt.Method, path, "", "Authorization", authorization).StatusCode
			}
			if rt.Need == "" {
				want := http.StatusOK
				if strings.Contains(rt.Path, "{secret}") { // for which this server has none
					want = http.StatusNotFound
				}
				if got := status(path, ""); got != want {
					t.Errorf("without a key: %d, want %d", got, want)
				}
				return
			}
			if got := status(path, ""); got != http.StatusUnauthorized {
				t.Errorf("without a key: %d, want 401", got)
			}
			if got := status(path, "Bearer sb_"+strings.Repeat("0", 64)); got != http.StatusUnauthorized {
				t.Errorf("with a wrong key: %d, want 401", got)
			}
			if got := status(path, "Basic "+s.keys[schoolbell.ScopeAdmin]); got != http.StatusUnauthorized {
				t.Errorf("with another scheme: %d, want 401", got)
			}
			if got := status(path+"?token="+s.keys[schoolbell.ScopeAdmin], ""); got != http.StatusUnauthorized {
				t.Errorf("with a key in the URL: %d, want 401", got)
			}
			if less, ok := lesser[rt.Need]; ok {
				if got := status(path, "Bearer "+s.keys[less]); got != http.StatusForbidden {
					t.Errorf("with a key of scope %s: %d, want 403", less, got)
				}
			}
			if got := status(other.Replace(rt.Path), "Bearer "+token); got != http.StatusForbidden {
				t.Errorf("with the token of another user: %d, want 403", got)
			}
			if !rt.User {
				if got := status(path, "Bearer "+token); got != http.StatusForbidden {
					t.Errorf("with the user's own token: %d, want 403", got)
				}
			}
		})
	}
}

func testAuthUserToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.notice("One", "u1")
	token := s.token("u1")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/users/u1/inbox", ""},
		{"POST", "/v1/users/u1/inbox/" + ev.ID + "/read", ""},
		{"POST", "/v1/users/u1/inbox/read-all", ""},
		{"GET", "/v1/users/u1/preferences", ""},
		{"PUT", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"email","opted_out":true}]}`},
		{"GET", "/v1/users/u1/schedule", ""},
		{"PUT", "/v1/users/u1/schedule", `{"quiet_hours":{"from":"21:00","to":"07:00"}}`},
		{"GET", "/v1/users/u1/devices", ""},
	} {
		if a := s.raw(c.method, c.path, c.body, "Authorization", "Bearer "+token); a.StatusCode != 200 {
			t.Errorf("%s %s by header: %d %s", c.method, c.path, a.StatusCode, a.body)
		}
		if a := s.raw(c.method, c.path+"?token="+token, c.body, "Authorization", ""); a.StatusCode != 200 {
			t.Errorf("%s %s by URL: %d %s", c.method, c.path, a.StatusCode, a.body)
		}
	}
	if strings.Contains(s.log.String(), token) {
		t.Error("the token is in the log")
	}
}

func testAuthExpiredToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	slow := auth.New(s.ledger.Auth, auth.Options{Clock: func() time.Time { return time.Now().Add(-48 * time.Hour) }})
	token, _, err := slow.Token(t.Context(), s.key(schoolbell.ScopeSend), "u1", 0)
	must(t, err)
	p := s.raw("GET", "/v1/users/u1/inbox", "", "Authorization", "Bearer "+token).problem(t)
	if p.Status != 401 || !strings.Contains(p.Detail, "expired") {
		t.Errorf("answered %d %q", p.Status, p.Detail)
	}
}

func testAuthRejectionDetails(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.raw("GET", "/v1/events", "", "Authorization", "")
	if p := a.problem(t); p.Code != "unauthorized" || !strings.HasPrefix(a.Header.Get("Www-Authenticate"), "Bearer") {
		t.Errorf("answered %s with WWW-Authenticate %q", p.Code, a.Header.Get("Www-Authenticate"))
	}
	_, err := s.as(s.keys[schoolbell.ScopeRead]).CancelEvent(t.Context(), "x")
	wantProblem(t, err, 403, "forbidden", "")
	if err == nil || !strings.Contains(err.Error(), "send") {
		t.Errorf("the refusal does not name the scope: %v", err)
	}
}
