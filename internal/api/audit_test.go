package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/auth"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// changes is one request for each route that changes something, and what the audit says
// of it. {made} stands for the id in the answer.
var changes = map[string]struct{ path, body, target, changes string }{
	"POST /v1/events": {"/v1/events", `{"title":"Secret title","body":"B","category":"urgent","audience":{"users":["u1"]},"channels":["in_app"]}`,
		"event {made}", "map[category:urgent channels:[in_app]]"},
	"POST /v1/events:bulk": {"/v1/events:bulk", `[{"title":"Secret title","body":"B","category":"urgent","audience":{"users":["u1"]},"channels":["in_app"]}]`,
		"event {made}", "map[category:urgent channels:[in_app]]"},
	"PATCH /v1/events/{id}":        {"/v1/events/{cancelled}", `{"title":"Secret title"}`, "event {cancelled}", "map[fields:[title]]"},
	"POST /v1/events/{id}/update":  {"/v1/events/{done}/update", `{"title":"Secret title"}`, "event {done}", "map[fields:[title]]"},
	"POST /v1/events/{id}/cancel":  {"/v1/events/{cancelled}/cancel", "", "event {cancelled}", "map[]"},
	"POST /v1/events/{id}/release": {"/v1/events/{held}/release", "", "event {held}", "map[]"},
	"POST /v1/events:release":      {"/v1/events:release", `{"held":1}`, "event", "map[events:1]"},
	"POST /v1/events/{id}/retry":   {"/v1/events/{done}/retry", "", "event {done}", "map[deliveries:0]"},
	"POST /v1/users:import": {"/v1/users:import", "id,name,roles\nu7,Grace Hopper,parent\nu8,Edith Clarke,parent\nu9,,parent\n",
		"user", "map[imported:2 rejected:1 unchanged:0 updated:0]"},
	"PUT /v1/users/{id}": {"/v1/users/u2", `{"name":"Ada Lovelace","email":"ada@secret.example","roles":["parent"]}`,
		"user u2", "map[fields:[email name roles]]"},
	"GET /v1/users/{id}/export":                          {"/v1/users/u1/export", "", "user u1", "map[]"},
	"DELETE /v1/users/{id}":                              {"/v1/users/u3", "", "user u3", "map[]"},
	"POST /v1/users/{id}/token":                          {"/v1/users/u1/token", `{"ttl":60}`, "user u1", "map[expires_at:*]"},
	"DELETE /v1/users/{id}/token":                        {"/v1/users/u4/token", "", "user u4", "map[]"},
	"PUT /v1/users/{id}/schedule":                        {"/v1/users/u1/schedule", `{"digest":{"at":"17:00"}}`, "user u1", "map[fields:[digest]]"},
	"PUT /v1/users/{id}/preferences":                     {"/v1/users/u1/preferences", `{"preferences":[]}`, "user u1", "map[fields:[preferences]]"},
	"POST /v1/users/{id}/calendar":                       {"/v1/users/u1/calendar", "", "user u1", "map[]"},
	"DELETE /v1/users/{id}/calendar":                     {"/v1/users/u1/calendar", "", "user u1", "map[]"},
	"POST /v1/users/{id}/devices":                        {"/v1/users/u1/devices", deviceBody, "user u1", "map[]"},
	"DELETE /v1/users/{id}/devices/{device}":             {"/v1/users/u1/devices/" + deviceID, "", "user u1", "map[]"},
	"POST /v1/users/{id}/inbox/read-all":                 {"/v1/users/u1/inbox/read-all", "", "inbox u1", "map[]"},
	"POST /v1/users/{id}/inbox/{event}/read":             {"/v1/users/u1/inbox/{done}/read", "", "inbox u1", "map[event:{done}]"},
	"POST /v1/users/{id}/inbox/{event}/acknowledge":      {"/v1/users/u1/inbox/{done}/acknowledge", "", "inbox u1", "map[event:{done}]"},
	"PUT /v1/categories/{id}":                            {"/v1/categories/trips", `{"name":"Trips"}`, "category trips", "map[fields:[name]]"},
	"DELETE /v1/categories/{id}":                         {"/v1/categories/tours", "", "category tours", "map[]"},
	"PUT /v1/templates/{category}/{channel}/{locale}":    {"/v1/templates/event/sms/de", `{"text":"{{event.title}}"}`, "template event/sms/de", "map[fields:[text] version:1]"},
	"DELETE /v1/templates/{category}/{channel}/{locale}": {"/v1/templates/event/sms/de", "", "template event/sms/de", "map[version:2]"},
	"PUT /v1/groups/{id}":                                {"/v1/groups/5b", `{"name":"5b","kind":"class"}`, "group 5b", "map[fields:[kind name]]"},
	"POST /v1/queues/{queue}/jobs/{job}/retry":           {"/v1/queues/bells/jobs/bad/retry", "", "job bells/bad", "map[]"},
	"POST /v1/queues/{queue}/jobs/{job}/promote":         {"/v1/queues/bells/jobs/later/promote", "", "job bells/later", "map[]"},
	"POST /v1/queues/{queue}/jobs/{job}/remove":          {"/v1/queues/bells/jobs/w0/remove", "", "job bells/w0", "map[]"},
	"POST /v1/queues/{queue}/pause":                      {"/v1/queues/bells/pause", "", "queue bells", "map[]"},
	"POST /v1/queues/{queue}/resume":                     {"/v1/queues/bells/resume", "", "queue bells", "map[]"},
	"POST /v1/suppressions":                              {"/v1/suppressions", `{"channel":"email","address":"u4@example.org"}`, "suppression", "map[channel:email users:1]"},
	"DELETE /v1/suppressions/{id}":                       {"/v1/suppressions/{suppressed}", "", "suppression {suppressed}", "map[]"},
	"POST /v1/channels/{channel}/test":                   {"/v1/channels/email/test", `{"user_id":"u2"}`, "channel email", "map[event:{made} user:u2]"},
	"POST /v1/webhooks":                                  {"/v1/webhooks", `{"url":"https://app.example/secret-path","types":["event.completed"]}`, "webhook {made}", "map[types:[event.completed]]"},
	"PATCH /v1/webhooks/{id}":                            {"/v1/webhooks/{hook}", `{"enabled":false}`, "webhook {hook}", "map[enabled:false]"},
	"POST /v1/webhooks/{id}/rotate":                      {"/v1/webhooks/{hook}/rotate", "", "webhook {hook}", "map[]"},
	"POST /v1/webhooks/{id}/test":                        {"/v1/webhooks/{hook}/test", "", "webhook {hook}", "map[]"},
	"DELETE /v1/webhooks/{id}":                           {"/v1/webhooks/{unwanted}", "", "webhook {unwanted}", "map[]"},
	"PUT /v1/settings":                                   {"/v1/settings", settingsBody, "settings", "map[fields:[digest language name retention timezone]]"},
	"POST /v1/queues/{queue}/clean": {"/v1/queues/bells/clean", `{"state":"completed","older_than":5}`,
		"queue bells", "map[older_than:5 removed:0 state:completed]"},
}

func TestAudit(t *testing.T) {
	t.Parallel()
	t.Run("every route that changes something leaves one entry", testAuditEveryRoute)
	t.Run("a request that changes nothing leaves no entry", testAuditNoChange)
	t.Run("a user behind a proxy is recorded with their own address", testAuditUserBehindProxy)
	t.Run("entries are paged, filtered and read-only", testAuditPagesAndFilters)
	t.Run("an entry that cannot be stored is logged and counted", testAuditEntryLost)
}

// A new route that changes something fails here until it is in the table above.
func testAuditEveryRoute(t *testing.T) {
	t.Parallel()
	s, q, rdb := withQueue(t, testenv.Redis(t))
	for id, o := range map[string]bullmq.JobOptions{"w0": {}, "later": {Delay: time.Hour}, "bad": {LIFO: true, Attempts: 1}} {
		o.ID = id
		_, err := q.Add(t.Context(), "ring", map[string]string{}, o)
		must(t, err)
	}
	fail(t, q, rdb)
	for i := range 5 {
		s.user(fmt.Sprint("u", i))
	}
	_, _, err := s.PutCategory(t.Context(), schoolbell.CategoryInfo{ID: "tours", Name: "Tours"})
	must(t, err)
	done := s.notice("Done", "u1")
	s.finish(done.ID)
	held := s.notice("Held", "u2")
	s.notice("Held too", "u2")
	_, err = s.ledger.Restores.HoldRestored(t.Context(), true, 0)
	must(t, err)
	cancelled, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()})
	must(t, err)
	suppressed, err := s.Suppress(t.Context(), wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: "u1@example.org"})
	must(t, err)
	hook, unwanted := s.hook("http://127.0.0.1:1"), s.hook("http://127.0.0.1:2")
	fill := func(text, made string) string {
		return strings.NewReplacer("{hook}", hook.ID, "{unwanted}", unwanted.ID, "{suppressed}", suppressed[0].ID, "{done}", done.ID, "{cancelled}", cancelled.ID, "{held}", held.ID, "{made}", made).Replace(text)
	}
	fingerprint := auth.Fingerprint(s.key(schoolbell.ScopeAdmin))

	for _, rt := range s.api.Routes() {
		if rt.Action == "" {
			continue
		}
		name := rt.Method + " " + rt.Path
		c, ok := changes[name]
		if !ok {
			t.Errorf("%s is not in the table of this test", name)
			continue
		}
		before := s.auditIDs()
		kind := "application/json"
		if strings.HasSuffix(rt.Path, ":import") {
			kind = client.CSV
		}
		a := s.raw(rt.Method, fill(c.path, ""), c.body, "Content-Type", kind)
		if a.StatusCode/100 != 2 {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
			continue
		}
		var left []wire.AuditEntry
		page, err := s.Audit(t.Context(), schoolbell.AuditFilter{}, client.Page{})
		must(t, err)
		for _, e := range page.Items {
			if !slices.Contains(before, e.ID) {
				left = append(left, e)
			}
		}
		if len(left) != 1 {
			t.Errorf("%s left %d entries: %+v", name, len(left), left)
			continue
		}
		e := left[0]
		made := path.Base(a.Header.Get("Location"))
		var many wire.BulkResults
		if json.Unmarshal([]byte(a.body), &many) == nil && len(many.Results) == 1 {
			made = many.Results[0].Event.ID
		}
		if _, there := e.Changes["expires_at"]; there {
			e.Changes["expires_at"] = "*"
		}
		got := []string{e.Action, strings.TrimSpace(e.Target.Kind + " " + e.Target.ID), fmt.Sprint(e.Changes), e.Address,
			string(e.Actor.Kind), e.Actor.ID, e.Actor.Name}
		want := []string{rt.Action, fill(c.target, made), fill(c.changes, made), "127.0.0.1", "key", fingerprint, "admin"}
		if diff := cmp.Diff(want, got); diff != "" || time.Since(e.At.Time).Abs() > time.Hour {
			t.Errorf("%s at %v: %s", name, e.At, diff)
		}
	}
	text := s.raw("GET", "/v1/audit", "").body
	for _, personal := range []string{"Lovelace", "secret.example", "Secret title", "Hopper", "push.example", "Secret phone", "secret-path", "whsec_"} {
		if strings.Contains(text, personal) {
			t.Errorf("the audit has %q", personal)
		}
	}
}

// auditIDs are the ids of the newest entries.
func (s *server) auditIDs() (ids []string) {
	s.t.Helper()
	page, err := s.Audit(s.t.Context(), schoolbell.AuditFilter{}, client.Page{Limit: 500})
	must(s.t, err)
	for _, e := range page.Items {
		ids = append(ids, e.ID)
	}
	return ids
}

func testAuditNoChange(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	s.raw("POST", "/v1/events", event(), "Idempotency-Key", "once")
	before := s.auditIDs()
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/users/u1", "", 200},
		{"GET", "/v1/audit", "", 200},
		{"PUT", "/v1/users/u1", `{"name":"","roles":[]}`, 422},
		{"PUT", "/v1/users/u1", `{"name":"A","roles":["parent"],"guardian_of":["nobody"]}`, 422},
		{"DELETE", "/v1/users/nobody", "", 404},
		{"POST", "/v1/users/nobody/token", "", 404},
		{"POST", "/v1/events/nothing/cancel", "", 404},
		{"PATCH", "/v1/events/nothing", `{"title":"T"}`, 404},
		{"POST", "/v1/events/nothing/update", `{"title":"T"}`, 404},
		{"POST", "/v1/queues/event-notifications/pause", "", 503}, // there is no Redis
	} {
		if a := s.raw(c.method, c.path, c.body); a.StatusCode != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.StatusCode, a.body)
		}
	}
	if a := s.raw("POST", "/v1/events", event(), "Idempotency-Key", "once"); a.StatusCode != 200 {
		t.Errorf("repeated: %d", a.StatusCode)
	}
	if diff := cmp.Diff(before, s.auditIDs()); diff != "" {
		t.Errorf("the audit has more: %s", diff)
	}
}

func testAuditUserBehindProxy(t *testing.T) {
	t.Parallel()
	s := newServer(t, limited(0, 0, "127.0.0.0/8"))
	s.user("u1")
	token := s.token("u1")
	for _, address := range []string{"192.0.2.7", "2001:db8:1:2:3::4"} {
		a := s.raw("POST", "/v1/users/u1/inbox/read-all", "", "Authorization", "Bearer "+token, "X-Forwarded-For", address)
		if a.StatusCode != 200 {
			t.Fatal(a.body)
		}
	}
	page, err := s.Audit(t.Context(), schoolbell.AuditFilter{Action: "inbox.read_all"}, client.Page{})
	must(t, err)
	var got []string
	for _, e := range page.Items {
		got = append(got, fmt.Sprint(e.Actor, e.Address))
	}
	if diff := cmp.Diff([]string{"{user u1 }2001:db8:1:2::/64", "{user u1 }192.0.2.7"}, got); diff != "" {
		t.Error(diff)
	}
}

func testAuditPagesAndFilters(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for i := range 5 {
		s.user(fmt.Sprint("u", i))
	}
	ev, err := s.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Audience: parents()})
	must(t, err)
	_, err = s.CancelEvent(t.Context(), ev.ID)
	must(t, err)
	all, err := s.Audit(t.Context(), schoolbell.AuditFilter{}, client.Page{})
	must(t, err)
	list := func(f schoolbell.AuditFilter) (got []string) {
		t.Helper()
		for page := (client.Page{Limit: 2}); ; {
			p, err := s.Audit(t.Context(), f, page)
			must(t, err)
			for _, e := range p.Items {
				got = append(got, strings.TrimSpace(e.Action+" "+e.Target.ID))
			}
			if page.Cursor = p.Next; page.Cursor == "" {
				return got
			}
		}
	}
	newest := all.Items[0].At.Time
	for name, c := range map[string]struct {
		filter schoolbell.AuditFilter
		want   []string
	}{
		"by target":         {schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "event", ID: ev.ID}}, []string{"event.cancel " + ev.ID, "event.create " + ev.ID}},
		"by kind of target": {schoolbell.AuditFilter{Target: schoolbell.Target{Kind: "user"}}, []string{"user.put u4", "user.put u3", "user.put u2", "user.put u1", "user.put u0"}},
		"by action":         {schoolbell.AuditFilter{Action: "event.cancel"}, []string{"event.cancel " + ev.ID}},
		"by another actor":  {schoolbell.AuditFilter{Actor: schoolbell.Actor{Kind: schoolbell.ActorUser}}, nil},
		"after all":         {schoolbell.AuditFilter{From: newest.Add(time.Millisecond)}, nil},
		"up to the first":   {schoolbell.AuditFilter{To: all.Items[len(all.Items)-1].At.Time}, nil},
	} {
		if diff := cmp.Diff(c.want, list(c.filter)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for query, field := range map[string]string{"actor=parent": "actor", "actor=:u1": "actor", "target=:x": "target", "from=today": "from", "cursor=x": "cursor"} {
		p := s.raw("GET", "/v1/audit?"+query, "").problem(t)
		if p.Status != 422 || len(p.Fields) != 1 || p.Fields[0].Field != field {
			t.Errorf("%s: %d %+v", query, p.Status, p.Fields)
		}
	}
	for _, method := range []string{"PUT", "POST", "PATCH", "DELETE"} {
		for _, path := range []string{"/v1/audit", "/v1/audit/" + all.Items[0].ID} {
			if a := s.raw(method, path, ""); a.StatusCode != 405 && a.StatusCode != 404 {
				t.Errorf("%s %s: %d", method, path, a.StatusCode)
			}
		}
	}
}

// deafStore cannot store audit entries beside changes.
type deafStore struct{ api.Store }

func (deafStore) PutAuditEntry(context.Context, schoolbell.AuditEntry) error {
	return errors.New("the disk is full")
}

func testAuditEntryLost(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Store = deafStore{c.Store} })
	s.user("u1")
	rows := `{"id":"u9","name":"A","roles":["parent"]}` + "\n"
	if _, err := s.ImportUsers(t.Context(), strings.NewReader(rows), client.NDJSON); err != nil {
		t.Error(err)
	}
	log := s.log.String()
	if !strings.Contains(log, "a change is not in the audit") || !strings.Contains(log, "action=user.import") || !strings.Contains(log, "imported:1") {
		t.Errorf("the log says %s", log)
	}
	if a := s.raw("POST", "/v1/users/u1/token", ""); a.StatusCode != 500 || strings.Contains(a.body, "sbu2") {
		t.Errorf("a token: %d %s", a.StatusCode, a.body)
	}
	if body := s.raw("GET", "/metrics", "", "Authorization", "").body; !strings.Contains(body, "schoolbell_audit_lost_total 2") {
		t.Errorf("the metric is %s", body)
	}
}

// A filter that is taken is one that the client would send.
func FuzzAuditFilters(f *testing.F) {
	f.Add("key:0123456789ab", "event:x")
	f.Add("user", "job:bells/a:b")
	f.Add(":", ":")
	f.Add("keys:1", "")
	f.Fuzz(func(t *testing.T, actor, target string) {
		if a, err := api.ParseActor(actor); err == nil && actor != "" {
			if !slices.Contains(schoolbell.ActorKinds(), a.Kind) || strings.TrimSuffix(string(a.Kind)+":"+a.ID, ":") != strings.TrimSuffix(actor, ":") {
				t.Errorf("%q became %+v", actor, a)
			}
		}
		if x, err := api.ParseTarget(target); err == nil && target != "" {
			if x.Kind == "" || strings.TrimSuffix(x.Kind+":"+x.ID, ":") != strings.TrimSuffix(target, ":") {
				t.Errorf("%q became %+v", target, x)
			}
		}
	})
}
