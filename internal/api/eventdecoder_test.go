package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/api"
)

func TestEventDecoder(t *testing.T) {
	t.Parallel()
	d := api.NewEventDecoder()
	t.Run("it reads every field", func(t *testing.T) {
		t.Parallel()
		ev, fingerprint, err := d.Decode([]byte(`{"title":"T","body":"B","category":"urgent","audience":{"roles":["parent"],"exclude":{"users":["u"]}},
			"channels":["in_app"],"data":{"a":1},"location":"Hall","starts_at":"2031-01-02T03:04:05Z","send_at":"2031-01-01T00:00:00+01:00"}`))
		if err != nil || ev.Title != "T" || ev.Audience.Exclude.Users[0] != "u" || string(ev.Data) != `{"a":1}` || ev.StartsAt.Year() != 2031 || ev.SendAt.Day() != 31 {
			t.Errorf("%+v, %v", ev, err)
		}
		if _, same, err := d.Decode([]byte(`{"body":"B","title":"T","audience":{}}`)); err != nil || same == fingerprint {
			t.Errorf("another event has fingerprint %s, %v", same, err)
		}
	})
	t.Run("order and white space do not matter", func(t *testing.T) {
		t.Parallel()
		_, one, err := d.Decode([]byte(`{"body":"B","title":"T","audience":{}}`))
		_, two, err2 := d.Decode([]byte(`{ "audience":{}, "title":"T","body":"B"}`))
		if err != nil || err2 != nil || one != two {
			t.Errorf("%s, %v and %s, %v", one, err, two, err2)
		}
	})
}

// FuzzEventDecoder compares the decoder of jobs with POST /v1/events: both take the same texts, and blame the same fields.
func FuzzEventDecoder(f *testing.F) {
	for _, seed := range []string{
		event(), `{}`, `[]`, `null`, `"x"`, `{"title":1,"colour":"red"}`, `{"title":"a","title":"b","body":"","audience":{"roles":["parent"]}}`,
		`{"title":"\ud800","body":"b","audience":{}}`, "\xff", `{"audience":{"users":[1,null]}}`, `{"send_at":"tomorrow"}`, `{"data":[]}`, `{"Title":"a","body":"b","audience":{}}`,
		`{"title":"a","body":"b","audience":{"groups":["g"]},"channels":[]}`, `{"title":"a","body":"b","audience":{"guardians_of":{"roles":["x"]}}}`, `{"expires_at":"0001-01-01T00:00:00Z"}`,
		strings.Repeat("[", 40), `{"data":{"n":1e999}}`, ``, `{"event_id":"x"}`,
	} {
		f.Add(seed)
	}
	s := newServer(f)
	d := api.NewEventDecoder()
	f.Fuzz(func(t *testing.T, text string) {
		ev, fingerprint, err := d.Decode([]byte(text))
		r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(text))
		r.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if err == nil {
			if ev == nil || fingerprint == "" {
				t.Errorf("%q: no event or no fingerprint", text)
			}
			if w.Code == http.StatusBadRequest {
				t.Errorf("%q is decoded; the API says %s", text, w.Body)
			}
			return
		}
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%q: %v; the API answers %d", text, err, w.Code)
		}
		for _, fault := range schoolbell.FaultsOf(err) {
			if fault.Code != schoolbell.CodeInvalid {
				t.Errorf("%q: code %s", text, fault.Code)
			}
		}
		if faults := schoolbell.FaultsOf(err); len(faults) > 100 || slices.ContainsFunc(faults, func(f *schoolbell.Error) bool { return len(f.Error()) > 3000 }) {
			t.Errorf("%q: %d faults, or a long one", text, len(faults))
		}
	})
}
