package api_test

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

func TestEventChanges(t *testing.T) {
	t.Parallel()
	t.Run("a change of nothing is refused", testChangeNothing)
	t.Run("a field that cannot be changed is named", testChangeFixed)
}

func testChangeNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()})
	must(t, err)
	before := s.auditIDs()
	for _, c := range []struct{ method, path string }{{"PATCH", "/v1/events/" + ev.ID}, {"POST", "/v1/events/" + ev.ID + "/update"}} {
		if a := s.raw(c.method, c.path, "{}"); a.StatusCode != 422 || !strings.Contains(a.body, "names nothing to change") {
			t.Errorf("%s: %d %s", c.method, a.StatusCode, a.body)
		}
	}
	now, err := s.Event(t.Context(), ev.ID)
	must(t, err)
	if got := s.auditIDs(); now.Revision != 0 || len(got) != len(before) {
		t.Errorf("the revision is %d, and the audit has %d entries more", now.Revision, len(got)-len(before))
	}
}

func testChangeFixed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()})
	must(t, err)
	for field, value := range map[string]string{"for_each": `"student"`, "personal": `[{"user":"u1","data":{"a":"b"}}]`, "category": `"urgent"`, "lane": `"urgent"`} {
		for _, c := range []struct{ method, path string }{{"PATCH", "/v1/events/" + ev.ID}, {"POST", "/v1/events/" + ev.ID + "/update"}} {
			a := s.raw(c.method, c.path, `{"title":"New","`+field+`":`+value+`}`)
			p := a.problem(t)
			if a.StatusCode != 422 || len(p.Fields) != 1 || p.Fields[0].Field != field {
				t.Errorf("%s of %s: %d %s", c.method, field, a.StatusCode, a.body)
			}
		}
	}
	page, err := s.Audit(t.Context(), schoolbell.AuditFilter{Action: "event.change"}, client.Page{})
	must(t, err)
	if len(page.Items) > 0 {
		t.Errorf("the audit has %+v", page.Items)
	}
}
