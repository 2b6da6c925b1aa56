package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/wire"
)

// fullSettings returns settings whose fields all have a value.
func fullSettings() *wire.Settings {
	return &wire.Settings{
		Name: "Hill School", Logo: "https://hill.example/logo.png", Colours: schoolbell.Colours{Primary: "#1c5fb8", Accent: "#1a7346"},
		Signature: "Kind regards,\nthe office", Language: "pt-BR", Timezone: "Europe/Lisbon", Digest: schoolbell.DigestWindow{At: "16:00", Weekday: "friday"},
		QuietHours: schoolbell.QuietHours{From: "21:00", To: "07:00"},
		Retention:  schoolbell.Retention{Events: "365d", Deliveries: "180d", Inbox: "90d", Receipts: "36h", Audit: "1095d", Idempotency: "12h"},
	}
}

// settingsBody has all settings that a PUT requires.
const settingsBody = `{"name":"Hill School","language":"en","timezone":"UTC","digest":{"at":"17:00"},` +
	`"retention":{"events":"1d","deliveries":"1d","inbox":"1d","receipts":"1d","audit":"1d","idempotency":"1h"}}`

func TestSettings(t *testing.T) {
	t.Parallel()
	t.Run("a new school has the first settings", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		got, err := s.Settings(t.Context())
		must(t, err)
		if diff := cmp.Diff(wire.SettingsOf(schoolbell.DefaultSchoolSettings()), got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("PUT replaces all of them", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		want := fullSettings()
		put, err := s.PutSettings(t.Context(), want)
		must(t, err)
		if put.Version != 1 || put.UpdatedAt.IsZero() {
			t.Errorf("version %d, updated at %v", put.Version, put.UpdatedAt)
		}
		want.Version, want.UpdatedAt = put.Version, put.UpdatedAt
		got, err := s.Settings(t.Context())
		must(t, err)
		if diff := cmp.Diff([]*wire.Settings{want, want}, []*wire.Settings{put, got}); diff != "" {
			t.Error(diff)
		}
		bare := wire.SettingsOf(schoolbell.DefaultSchoolSettings())
		put, err = s.PutSettings(t.Context(), bare)
		must(t, err)
		if put.Logo != "" || put.Signature != "" || put.Colours != (schoolbell.Colours{}) || put.QuietHours != (schoolbell.QuietHours{}) || put.Version != 2 {
			t.Errorf("replaced by %+v", put)
		}
	})
	t.Run("what GET answers can be put again, and once only", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		_, err := s.PutSettings(t.Context(), fullSettings())
		must(t, err)
		read := s.raw("GET", "/v1/settings", "")
		first, second := s.raw("PUT", "/v1/settings", read.body), s.raw("PUT", "/v1/settings", read.body)
		if first.StatusCode != 200 || second.problem(t).Status != 409 {
			t.Errorf("answered %d %s, then %d %s", first.StatusCode, first.body, second.StatusCode, second.body)
		}
	})
	t.Run("read keys read them, admin keys change them", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		_, err := s.as(s.keys[schoolbell.ScopeRead]).Settings(t.Context())
		must(t, err)
		_, err = s.as(s.keys[schoolbell.ScopeSend]).PutSettings(t.Context(), fullSettings())
		wantProblem(t, err, 403, "forbidden", "")
		s.user("u1")
		_, err = s.as(s.token("u1")).Settings(t.Context())
		wantProblem(t, err, 403, "forbidden", "")
		_, err = s.as("").Settings(t.Context())
		wantProblem(t, err, 401, "unauthorized", "")
	})
}

func TestSettingsErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	before, err := s.PutSettings(t.Context(), fullSettings())
	must(t, err)
	for _, c := range []struct {
		name   string
		change func(body map[string]any)
		fields string
	}{
		{"an unknown field", func(b map[string]any) { b["color"] = "red" }, "color"},
		{"an unknown field within", func(b map[string]any) { b["retention"].(map[string]any)["jobs"] = "1d" }, "retention.jobs"},
		{"no name", func(b map[string]any) { delete(b, "name") }, "name"},
		{"quiet hours without an end", func(b map[string]any) { b["quiet_hours"] = map[string]any{"from": "21:00"} }, "quiet_hours.to"},
		{"null", func(b map[string]any) { b["language"] = nil }, "language"},
		{"an hour as a number", func(b map[string]any) { b["digest"] = map[string]any{"at": 17} }, "digest.at"},
		{"every wrong value at once", func(b map[string]any) {
			b["name"], b["logo"], b["signature"], b["language"], b["timezone"], b["digest"] = " ", "data:image/png;base64,AA==", strings.Repeat("x", 1001), "english please", "Mars/Olympus", map[string]any{"at": "24:00"}
			b["colours"] = map[string]any{"primary": "red"}
			b["quiet_hours"] = map[string]any{"from": "25:00", "to": "07:00"}
			b["retention"].(map[string]any)["events"] = "always"
		}, "name logo colours.primary signature language timezone digest.at quiet_hours.from retention.events"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(fullSettings())
			must(t, err)
			var body map[string]any
			must(t, json.Unmarshal(text, &body))
			c.change(body)
			text, err = json.Marshal(body)
			must(t, err)
			p := s.raw("PUT", "/v1/settings", string(text)).problem(t)
			var fields []string
			for _, f := range p.Fields {
				fields = append(fields, f.Field)
			}
			if got := strings.Join(fields, " "); p.Status != 422 || got != c.fields {
				t.Errorf("answered %d %s for %q, want %q", p.Status, p.Detail, got, c.fields)
			}
		})
	}
	after, err := s.Settings(t.Context())
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("changed by what was refused: %s", diff)
	}
}

// An empty locale and an empty time zone mean the school's. They are stored empty, so that
// a change of the school's reaches these people.
func TestUserLocale(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("put")
	_, err := s.ImportUsers(t.Context(), strings.NewReader(`{"id":"imported","name":"A","roles":["parent"]}`), "application/x-ndjson")
	must(t, err)
	_, err = s.ImportUsers(t.Context(), strings.NewReader("id,name,roles,locale,timezone\nfile,A,parent,,\n"), "text/csv")
	must(t, err)
	for _, id := range []string{"put", "imported", "file"} {
		if a := s.raw("GET", "/v1/users/"+id, ""); strings.Contains(a.body, "locale") || strings.Contains(a.body, "timezone") {
			t.Errorf("%s is %s", id, a.body)
		}
	}
}
