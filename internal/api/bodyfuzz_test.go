package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"schoolbell"
)

// Whatever body a client sends, the answer is a success or the client's own fault, and
// small.
func FuzzJSONBody(f *testing.F) {
	for _, seed := range []string{
		event(), `{"preferences":[{"category":"announcement","channel":"email","status":"opted_out"}]}`, `{"name":"A","roles":["parent"],"groups":["g"]}`,
		`{"name":"A","language":"en","timezone":"UTC","digest":{"at":"17:00","weekday":"friday"},"quiet_hours":{"from":"21:00","to":"07:00"},"retention":{"events":"1d","deliveries":"1d","inbox":"1d","receipts":"1d","audit":"1d","idempotency":"1h"},"version":1,"updated_at":"x"}`,
		`{"ttl":60}`, `[]`, `null`, `{"a":{"b":[1,2,{"c":"\\u2028"}]}}`, `{"name":"\\ud800"}`, `{"data":1e999999}`, "\xff", `{"name":1,"name":2}`, `"`, `{]`, "",
	} {
		for n := range len(bodyRoutes) {
			f.Add(n, seed)
		}
	}
	s := newServer(f)
	s.user("u1")
	f.Fuzz(func(t *testing.T, route int, body string) {
		method, path, _ := strings.Cut(bodyRoutes[uint(route)%uint(len(bodyRoutes))], " ")
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if w.Code >= 500 || w.Body.Len() > 100_000+4*len(body) {
			t.Errorf("%s %s with %q: %d with %d bytes: %.300s", method, path, body, w.Code, w.Body.Len(), w.Body)
		}
	})
}

var bodyRoutes = []string{"POST /v1/events", "PUT /v1/users/u1", "PUT /v1/users/u1/preferences", "PUT /v1/groups/g", "POST /v1/users/u1/token",
	"POST /v1/users/u1/inbox/read-all", "PUT /v1/settings"}
