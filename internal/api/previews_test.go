package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

func TestPreviews(t *testing.T) {
	t.Parallel()
	t.Run("a preview counts who gets an event and who does not", testPreviewCounts)
	t.Run("a preview names the languages that are missing", testPreviewLanguages)
	t.Run("a preview shows messages that link to nobody", testPreviewShown)
	t.Run("a preview refuses what cannot be created", testPreviewRefused)
	t.Run("a preview stores nothing", testPreviewStoresNothing)
}

// newPreviewed returns a server with seven parents: a0 to a5, of whom the odd ones have no email, and the teacher t0.
func newPreviewed(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	for i := range 7 {
		u := schoolbell.User{ID: fmt.Sprintf("a%d", i), Name: fmt.Sprintf("Ann %d", i), Roles: []schoolbell.Role{schoolbell.RoleParent}}
		if i%2 == 0 {
			u.Email = u.ID + "@school.example.org"
		}
		if i == 6 {
			u.ID, u.Name, u.Locale, u.Timezone, u.Roles = "t0", "Tía Inés", "es-MX", "Europe/Madrid", []schoolbell.Role{schoolbell.RoleTeacher}
		}
		_, _, err := s.PutUser(t.Context(), u)
		must(t, err)
	}
	_, err := s.PutPreferences(t.Context(), "a2", schoolbell.Preference{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff})
	must(t, err)
	return s
}

func previewedEvent() wire.NewEvent {
	return wire.NewEvent{Title: "Gala", Body: "Bring a towel.", Category: schoolbell.CategoryEvent, StartsAt: wire.At(time.Date(2027, 6, 4, 7, 0, 0, 0, time.UTC)),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent, schoolbell.RoleTeacher}}}}
}

func testPreviewCounts(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	p, err := s.PreviewEvent(t.Context(), previewedEvent(), "", "")
	must(t, err)
	if p.People != 7 || p.Messages != 10 || p.LeftOut != 0 || p.Category != schoolbell.CategoryEvent || p.Lane != schoolbell.LaneNormal || p.SMS != nil {
		t.Errorf("the preview is %+v", p)
	}
	want := []wire.PreviewedChannel{{Channel: schoolbell.ChannelInApp, Messages: 7, Reasons: []wire.PreviewedReason{}},
		{Channel: schoolbell.ChannelEmail, Messages: 3, LeftOut: 4, Reasons: []wire.PreviewedReason{
			{Reason: "no_address", People: 3, Examples: []wire.PersonName{{ID: "a1", Name: "Ann 1"}, {ID: "a3", Name: "Ann 3"}, {ID: "a5", Name: "Ann 5"}}},
			{Reason: "opted_out", People: 1, Examples: []wire.PersonName{{ID: "a2", Name: "Ann 2"}}}}}}
	if fmt.Sprint(p.Channels) != fmt.Sprint(want) {
		t.Errorf("channels %+v\nwant %+v", p.Channels, want)
	}
	ev := previewedEvent()
	ev.Channels, ev.Category = []schoolbell.Channel{schoolbell.ChannelEmail}, schoolbell.CategoryUrgent
	if p, err = s.PreviewEvent(t.Context(), ev, "", ""); err != nil || p.Messages != 4 || p.LeftOut != 3 || p.Lane != schoolbell.LaneUrgent {
		t.Errorf("urgent and by email only: %+v, %v", p, err)
	}
}

func testPreviewLanguages(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	ev := previewedEvent()
	for _, missing := range []bool{true, false} {
		p, err := s.PreviewEvent(t.Context(), ev, "", "")
		must(t, err)
		if want := []wire.PreviewedLanguage{{Language: "en", People: 6}, {Language: "es", People: 1, Missing: missing}}; !slices.Equal(p.Languages, want) {
			t.Errorf("languages %+v, want %+v", p.Languages, want)
		}
		ev.Texts = map[string]schoolbell.EventText{"es": {Title: "Festival", Body: "Traed una toalla."}}
	}
}

func testPreviewShown(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	ev := previewedEvent()
	ev.Texts = map[string]schoolbell.EventText{"es": {Title: "Festival", Body: "Traed una toalla."}}
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "s0", Name: "Sam", Email: "s0@school.example.org", Roles: []schoolbell.Role{schoolbell.RoleStudent}})
	must(t, err)
	for _, x := range []struct{ user, locale, wantUser, wantLocale, title, text, inAppLeftOut, emailLeftOut string }{
		{"", "", "a0", "en", "Gala", "Dear Ann 0,", "", ""},
		{"t0", "", "t0", "es", "Festival", "Hola, Tía Inés:", "", ""},
		{"a2", "es", "a2", "es", "Festival", "Hola, Ann 2:", "", "opted_out"},
		{"a1", "", "a1", "en", "Gala", "Dear Ann 1,", "", "no_address"},
		{"t0", "de", "t0", "en", "Gala", "(Europe/Madrid)", "", ""},
		{"s0", "", "s0", "en", "Gala", "Dear Sam,", "not_in_audience", "not_in_audience"},
	} {
		p, err := s.PreviewEvent(t.Context(), ev, x.user, x.locale)
		must(t, err)
		if len(p.Shown) != 2 {
			t.Fatalf("shown: %+v", p.Shown)
		}
		inApp, email := p.Shown[0], p.Shown[1]
		if inApp.Subject != x.title || inApp.Locale != x.wantLocale || inApp.User != x.wantUser || email.User != x.wantUser || email.Locale != x.wantLocale ||
			email.Subject != x.title || !strings.Contains(email.Text, x.text) || !strings.Contains(email.HTML, `<html lang="`+x.wantLocale+`"`) {
			t.Errorf("for %q in %q: %+v\n%+v", x.user, x.locale, inApp, email)
		}
		if inApp.LeftOut != x.inAppLeftOut || email.LeftOut != x.emailLeftOut {
			t.Errorf("%q is left out of the inbox: %q, of emails: %q", x.user, inApp.LeftOut, email.LeftOut)
		}
	}
}

func testPreviewRefused(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	for _, x := range []struct{ path, body string }{
		{"", `{"title":"x","body":"y","audience":{"users":["nobody"]},"channels":["sms"]}`},
		{"", `{"title":"x","body":"y","audience":{"users":["nobody"],"groups":["none"]},"category":"unknown"}`},
		{"", `{"title":"","body":"y","audience":{}}`},
		{"", `{"title":"x","body":"y","audience":{"roles":["parent"]},"colour":"red"}`},
	} {
		got, want := s.raw("POST", "/v1/events:preview"+x.path, x.body).problem(t), s.raw("POST", "/v1/events", x.body).problem(t)
		if fmt.Sprint(got.Status, got.Fields) != fmt.Sprint(want.Status, want.Fields) || got.Status != 422 {
			t.Errorf("%s: %+v, want %+v", x.body, got, want)
		}
	}
	for query, field := range map[string]string{"user=nobody": "user", "locale=12": "locale"} {
		p := s.raw("POST", "/v1/events:preview?"+query, `{"title":"x","body":"y","audience":{"roles":["parent"]}}`).problem(t)
		if p.Status != 422 || len(p.Fields) != 1 || p.Fields[0].Field != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

func testPreviewStoresNothing(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	before, err := s.Audit(t.Context(), schoolbell.AuditFilter{}, client.Page{Limit: 100})
	must(t, err)
	_, err = s.PreviewEvent(t.Context(), previewedEvent(), "", "")
	must(t, err)
	after, err := s.Audit(t.Context(), schoolbell.AuditFilter{}, client.Page{Limit: 100})
	must(t, err)
	events, err := s.Events(t.Context(), "", client.Page{Limit: 10})
	must(t, err)
	if len(after.Items) != len(before.Items) || len(events.Events) != 0 {
		t.Errorf("%d entries in the audit, %d before; %d events", len(after.Items), len(before.Items), len(events.Events))
	}
}
