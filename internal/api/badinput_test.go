package api_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/wire"
)

// event is a good event as JSON, with some of its members replaced.
func event(members ...string) string {
	all := map[string]string{"title": `"Sports day"`, "body": `"On Friday."`, "audience": `{"roles":["parent"]}`}
	for i := 0; i+1 < len(members); i += 2 {
		all[members[i]] = members[i+1]
	}
	var parts []string
	for name, value := range all {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", name, value))
		}
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	t.Run("an invalid event names its field and is not stored", testBadInputEvent)
	t.Run("all faults of an event are reported at once", testBadInputAllFaults)
	t.Run("a JSON syntax error names its line and column", testBadInputJSONSyntax)
	t.Run("a body far over the limit is rejected", testBadInputLargeBody)
	t.Run("a form-encoded body is rejected", testBadInputFormBody)
	t.Run("a media type must be JSON or absent", testBadInputMediaType)
	t.Run("an invalid user names its field and is not stored", testBadInputUser)
	t.Run("an unknown id is not found", testBadInputUnknownID)
	t.Run("a wrong method gets a list of the allowed ones", testBadInputMethod)
	t.Run("an invalid query parameter is rejected by name", testBadInputParameter)
	t.Run("invalid preferences and groups name their fields", testBadInputPreferencesAndGroups)
	t.Run("a URL that is not UTF-8 is malformed", testBadInputURL)
}

func testBadInputEvent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("p1")
	for _, c := range []struct {
		name   string
		body   string
		status int
		code   string
		field  string // the first to blame
	}{
		{"an unknown role", event("audience", `{"roles":["janitor"]}`), 422, "invalid", "audience.roles[0]"},
		{"an unknown role among the excluded", event("audience", `{"roles":["parent"],"exclude":{"roles":["parent","x"]}}`), 422, "invalid", "audience.exclude.roles[1]"},
		{"an unknown group", event("audience", `{"groups":["nobody-knows"]}`), 422, "invalid", "audience.groups[0]"},
		{"an unknown user", event("audience", `{"users":["p1","ghost"]}`), 422, "invalid", "audience.users[1]"},
		{"an unknown user whose guardians are meant", event("audience", `{"guardians_of":{"users":["ghost"]}}`), 422, "invalid", "audience.guardians_of.users[0]"},
		{"an empty audience", event("audience", `{}`), 422, "invalid", "audience"},
		{"an audience that only excludes", event("audience", `{"exclude":{"roles":["parent"]}}`), 422, "invalid", "audience"},
		{"no audience", event("audience", ""), 422, "invalid", "audience"},
		{"no channel", event("channels", `[]`), 422, "invalid", "channels"},
		{"an unknown channel", event("channels", `["in_app","pigeon"]`), 422, "invalid", "channels[1]"},
		{"a channel without a sender", event("channels", `["in_app","sms"]`), 422, "invalid", "channels[1]"},
		{"an unknown category", event("category", `"gossip"`), 422, "invalid", "category"},
		{"no title", event("title", ""), 422, "invalid", "title"},
		{"an empty title", event("title", `"  "`), 422, "invalid", "title"},
		{"a title too long", event("title", `"`+strings.Repeat("ä", 201)+`"`), 422, "invalid", "title"},
		{"a title with a line break", event("title", `"Sports day\r\nBcc: all@example.org"`), 422, "invalid", "title"},
		{"a title of nothing but a zero-width space", event("title", `"\u200b"`), 422, "invalid", "title"},
		{"a title with a right-to-left override", event("title", `"Sports \u202eyad"`), 422, "invalid", "title"},
		{"a title that is not UTF-8", event("title", "\"caf\xe9\""), 400, "malformed", ""},
		{"half a character as an escape", event("title", `"Sports \ud83c day"`), 400, "malformed", ""},
		{"own data that is not UTF-8", event("data", "{\"a\":\"\xff\"}"), 400, "malformed", ""},
		{"a body too long", event("body", `"`+strings.Repeat("b", 20_001)+`"`), 422, "invalid", "body"},
		{"a location with a line break", event("location", `"Gym\nNorth"`), 422, "invalid", "location"},
		{"data that is no object", event("data", `[1]`), 422, "invalid", "data"},
		{"data too large", event("data", `{"x":"`+strings.Repeat("d", 16<<10)+`"}`), 422, "invalid", "data"},
		{"a time that is none", event("starts_at", `"tomorrow"`), 422, "invalid", "starts_at"},
		{"a time without a zone", event("send_at", `"2027-01-01T10:00:00"`), 422, "invalid", "send_at"},
		{"a number for a time", event("send_at", `1700000000`), 422, "invalid", "send_at"},
		{"an end before the start", event("starts_at", `"2027-01-02T10:00:00Z"`, "ends_at", `"2027-01-01T10:00:00Z"`), 422, "invalid", "ends_at"},
		{"expires_at before send_at", event("send_at", `"2028-01-02T10:00:00Z"`, "expires_at", `"2028-01-01T10:00:00Z"`), 422, "invalid", "expires_at"},
		{"a start in the year 10000", event("starts_at", `"9999-12-31T23:59:59-23:59"`), 422, "invalid", "starts_at"},
		{"a start at Go's zero time", event("starts_at", `"0001-01-01T00:00:00Z"`), 422, "invalid", "starts_at"},
		{"a start at Go's zero time in another zone", event("starts_at", `"0001-01-01T01:00:00+01:00"`), 422, "invalid", "starts_at"},
		{"send_at at Go's zero time", event("send_at", `"0001-01-01T00:00:00Z"`), 422, "invalid", "send_at"},
		{"expires_at just after Go's zero time", event("expires_at", `"0001-01-01T00:00:00.0001Z"`), 422, "invalid", "expires_at"},
		{"a start before 1970", event("starts_at", `"1969-12-31T23:59:59Z"`), 422, "invalid", "starts_at"},
		{"an end in the year 10000", event("starts_at", `"2027-01-02T10:00:00Z"`, "ends_at", `"9999-12-31T23:59:59-00:01"`), 422, "invalid", "ends_at"},
		{"expires_at in the year 10000", event("expires_at", `"9999-12-31T23:59:59-12:00"`), 422, "invalid", "expires_at"},
		{"expires_at in the past", event("expires_at", `"2020-01-01T10:00:00Z"`), 422, "invalid", "expires_at"},
		{"an unknown field", event("colour", `"red"`), 422, "invalid", "colour"},
		{"a field in other letters", event("Title", `"x"`), 422, "invalid", "Title"},
		{"an unknown field deep inside", event("audience", `{"roles":["parent"],"exclude":{"rolls":[]}}`), 422, "invalid", "audience.exclude.rolls"},
		{"a number for a title", event("title", `7`), 422, "invalid", "title"},
		{"no body at all", "", 400, "malformed", ""},
		{"a body cut short", `{"title": "x", `, 400, "malformed", ""},
		{"text after the object", event() + " x", 400, "malformed", ""},
		{"two objects", event() + event(), 400, "malformed", ""},
		{"a list", "[]", 422, "invalid", ""},
		{"null", "null", 422, "invalid", ""},
		{"a body over the limit", event("body", `"`+strings.Repeat("b", 7<<20)+`"`), 413, "too_large", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.raw("POST", "/v1/events", c.body).problem(t)
			if p.Status != c.status || p.Code != c.code {
				t.Errorf("answered %d %s (%s), want %d %s", p.Status, p.Code, p.Detail, c.status, c.code)
			}
			if c.field != "" && !slices.ContainsFunc(p.Fields, func(f wire.FieldError) bool { return f.Field == c.field && f.Message != "" }) {
				t.Errorf("blamed %v, want %s", p.Fields, c.field)
			}
		})
	}
	list, err := s.Events(t.Context(), "", client.Page{})
	must(t, err)
	if len(list.Events) != 0 {
		t.Errorf("%d events were stored", len(list.Events))
	}
}

func testBadInputAllFaults(t *testing.T) {
	t.Parallel()
	p := newServer(t).raw("POST", "/v1/events", event("title", `""`, "audience", `{}`, "channels", `[]`)).problem(t)
	var fields []string
	for _, f := range p.Fields {
		fields = append(fields, f.Field)
	}
	if want := []string{"title", "audience", "channels"}; !slices.Equal(fields, want) {
		t.Errorf("blamed %v, want %v", fields, want)
	}
}

func testBadInputJSONSyntax(t *testing.T) {
	t.Parallel()
	p := newServer(t).raw("POST", "/v1/events", "{\n  \"title\": \"x\",\n  \"body\": oops\n}").problem(t)
	if p.Status != 400 || !strings.Contains(p.Detail, "line 3, column 11") {
		t.Errorf("answered %d %q, want 400 and line 3, column 11", p.Status, p.Detail)
	}
}

func testBadInputLargeBody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	huge := event("body", `"`+strings.Repeat("b", 12<<20)+`"`)
	if p := s.raw("POST", "/v1/events", huge).problem(t); p.Status != 413 || p.Code != "too_large" {
		t.Errorf("answered %d %s", p.Status, p.Code)
	}
}

func testBadInputFormBody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/v1/events", "/v1/users:import"} {
		if p := s.raw("POST", path, event(), "Content-Type", "application/x-www-form-urlencoded").problem(t); p.Status != 415 || p.Code != "unsupported_media_type" {
			t.Errorf("%s answered %d %s", path, p.Status, p.Code)
		}
	}
}

func testBadInputMediaType(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for kind, want := range map[string]int{
		";;;": 415, ";": 415, "; charset=utf-8": 415, "/json": 415, "+json": 415, "json": 415, "application/": 415, "text/json": 415, "a+json;b+json": 415,
		"": 201, "application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON": 201, "application/json; charset": 201, "application/vnd.school+json": 201,
	} {
		for _, path := range []string{"/v1/events"} {
			if a := s.raw("POST", path, event(), "Content-Type", kind); a.StatusCode != want {
				t.Errorf("%q: answered %d %s, want %d", kind, a.StatusCode, a.body, want)
			}
		}
	}
}

func testBadInputUser(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	good := schoolbell.User{ID: "u1", Name: "Ada", Roles: []schoolbell.Role{schoolbell.RoleParent}}
	for _, c := range []struct {
		name   string
		change func(*schoolbell.User)
		field  string
	}{
		{"no role", func(u *schoolbell.User) { u.Roles = nil }, "roles"},
		{"an unknown role", func(u *schoolbell.User) { u.Roles = []schoolbell.Role{"parent", "boss"} }, "roles[1]"},
		{"a bad email address", func(u *schoolbell.User) { u.Email = "ada at example" }, "email"},
		{"an email address with a line break", func(u *schoolbell.User) { u.Email = "ada@example.org\r\nBcc: x@example.org" }, "email"},
		{"an email address at this machine", func(u *schoolbell.User) { u.Email = "root@localhost" }, "email"},
		{"an email address at a name of this machine", func(u *schoolbell.User) { u.Email = "root@mail.localhost" }, "email"},
		{"an email address at an IP address", func(u *schoolbell.User) { u.Email = "ada@127.0.0.1" }, "email"},
		{"an email address that is a route", func(u *schoolbell.User) { u.Email = "ada%example.org@relay.example" }, "email"},
		{"an email address that is a command", func(u *schoolbell.User) { u.Email = "|x@example.org" }, "email"},
		{"an email address whose domain encodes nothing", func(u *schoolbell.User) { u.Email = "ada@xn--0.example" }, "email"},
		{"an email address with a domain that has no form in ASCII", func(u *schoolbell.User) { u.Email = "ada@ab\u05d0.example" }, "email"},
		{"a name with a line break", func(u *schoolbell.User) { u.Name = "Ada\r\nBcc: all@example.org" }, "name"},
		{"an empty name", func(u *schoolbell.User) { u.Name = " " }, "name"},
		{"an unknown time zone", func(u *schoolbell.User) { u.Timezone = "Mars/Olympus" }, "timezone"},
		{"the time zone of the machine", func(u *schoolbell.User) { u.Timezone = "localtime" }, "timezone"},
		{"time zone rules without a place", func(u *schoolbell.User) { u.Timezone = "posixrules" }, "timezone"},
		{"a time zone spelled as a path", func(u *schoolbell.User) { u.Timezone = "Europe//London" }, "timezone"},
		{"a bad phone number", func(u *schoolbell.User) { u.Phone = "12" }, "phone"},
		{"a bad group id", func(u *schoolbell.User) { u.Groups = []string{"a b"} }, "groups[0]"},
		{"a guardian of nobody known", func(u *schoolbell.User) { u.GuardianOf = []string{"ghost"} }, "guardian_of[0]"},
		{"a guardian of themselves", func(u *schoolbell.User) { u.GuardianOf = []string{"u1"} }, "guardian_of[0]"},
		{"a bad id", func(u *schoolbell.User) { u.ID = "a b" }, "id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := good
			c.change(&u)
			_, _, err := s.PutUser(t.Context(), u)
			wantProblem(t, err, 422, "invalid", c.field)
		})
	}
	page, err := s.Users(t.Context(), client.Page{})
	must(t, err)
	if len(page.Users) != 0 {
		t.Errorf("%d users were stored", len(page.Users))
	}
}

// wantProblem checks that err is a refusal of that kind, and whom it blames.
func wantProblem(t *testing.T, err error, status int, code, field string) {
	t.Helper()
	p, ok := err.(*client.Problem)
	if !ok {
		t.Fatalf("got %v, want a problem", err)
	}
	if p.Status != status || p.Code != code {
		t.Errorf("got %d %s (%s), want %d %s", p.Status, p.Code, p.Detail, status, code)
	}
	if field != "" && !slices.ContainsFunc(p.Fields, func(f wire.FieldError) bool { return f.Field == field }) {
		t.Errorf("blamed %v, want %s", p.Fields, field)
	}
}

func testBadInputUnknownID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ghost := "0190a000-0000-7000-8000-000000000000"
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/events/" + ghost, ""},
		{"GET", "/v1/events/not-even-an-id", ""},
		{"GET", "/v1/events/" + ghost + "/deliveries", ""},
		{"GET", "/v1/events/" + ghost + "/stream", ""},
		{"POST", "/v1/events/" + ghost + "/cancel", ""},
		{"POST", "/v1/events/" + ghost + "/release", ""},
		{"POST", "/v1/events/" + ghost + "/retry", ""},
		{"GET", "/v1/users/ghost", ""},
		{"DELETE", "/v1/users/ghost", ""},
		{"POST", "/v1/users/ghost/token", ""},
		{"GET", "/v1/users/ghost/preferences", ""},
		{"PUT", "/v1/users/ghost/preferences", `{"preferences":[]}`},
		{"GET", "/v1/users/ghost/schedule", ""},
		{"PUT", "/v1/users/ghost/schedule", `{}`},
		{"GET", "/v1/users/ghost/inbox", ""},
		{"GET", "/v1/users/ghost/inbox/stream", ""},
		{"POST", "/v1/users/ghost/inbox/read-all", ""},
		{"POST", "/v1/users/u1/inbox/" + ghost + "/read", ""},
		{"GET", "/v1/groups/ghost", ""},
		{"GET", "/v1/queues/ghost/counts", ""},
		{"GET", "/v1/queues/ghost/jobs?state=failed", ""},
		{"GET", "/v1/queues/ghost/jobs/1", ""},
		{"POST", "/v1/queues/ghost/jobs/1/retry", ""},
		{"POST", "/v1/queues/ghost/pause", ""},
		{"POST", "/v1/queues/ghost/clean", `{"state":"failed"}`},
		{"GET", "/v1/nothing", ""},
		{"GET", "/", ""},
	} {
		if p := s.raw(c.method, c.path, c.body).problem(t); p.Status != 404 || p.Code != "not_found" || p.Detail == "" {
			t.Errorf("%s %s answered %d %s %q", c.method, c.path, p.Status, p.Code, p.Detail)
		}
	}
}

func testBadInputMethod(t *testing.T) {
	t.Parallel()
	a := newServer(t).raw("PATCH", "/v1/users/u1", "{}")
	if p := a.problem(t); p.Status != 405 || p.Code != "method_not_allowed" {
		t.Errorf("answered %d %s", p.Status, p.Code)
	}
	if allow := a.Header.Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "PUT") || !strings.Contains(allow, "DELETE") {
		t.Errorf("Allow is %q", allow)
	}
}

func testBadInputParameter(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.notice("One", "u1")
	other, err := s.Users(t.Context(), client.Page{Limit: 1})
	must(t, err)
	if other.Next != "" {
		t.Fatal("one user makes two pages")
	}
	s.user("u2")
	other, err = s.Users(t.Context(), client.Page{Limit: 1})
	must(t, err)
	deliveries := "/v1/events/" + ev.ID + "/deliveries?cursor="
	forged := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct{ name, path, field string }{
		{"a cursor that is none", "/v1/events?cursor=garbage", "cursor"},
		{"a cursor of another list", "/v1/events?cursor=" + other.Next, "cursor"},
		{"a cursor of another list, for deliveries", "/v1/events/" + ev.ID + "/deliveries?cursor=" + other.Next, "cursor"},
		{"a cursor for an inbox", "/v1/users/u1/inbox?cursor=e30", "cursor"},
		{"a cursor for groups", "/v1/groups?cursor=%00", "cursor"},
		{"a forged cursor with no channel name", deliveries + forged(`{"k":"deliveries","c":"Pigeon","n":1}`), "cursor"},
		{"a forged cursor without a channel", deliveries + forged(`{"k":"deliveries","n":1}`), "cursor"},
		{"a forged cursor with a negative place", deliveries + forged(`{"k":"deliveries","c":"email","n":-1}`), "cursor"},
		{"a forged cursor with a place beyond all", deliveries + forged(`{"k":"deliveries","c":"email","n":9223372036854775807}`), "cursor"},
		{"a forged cursor with two objects", deliveries + forged(`{"k":"deliveries","c":"email","n":1}{}`), "cursor"},
		{"a forged cursor of an event", "/v1/events?cursor=" + forged(`{"k":"events","i":"\u0000"}`), "cursor"},
		{"a forged cursor of an event, by number", "/v1/events?cursor=" + forged(`{"k":"events","n":5}`), "cursor"},
		{"a forged cursor of a user", "/v1/users?cursor=" + forged(`{"k":"users","i":"a b"}`), "cursor"},
		{"a forged cursor of an inbox", "/v1/users/u1/inbox?cursor=" + forged(`{"k":"inbox","n":9223372036854775807}`), "cursor"},
		{"a limit of nothing", "/v1/events?limit=0", "limit"},
		{"a limit over the largest", "/v1/users?limit=501", "limit"},
		{"a limit that is no number", "/v1/groups?limit=ten", "limit"},
		{"an unknown status", "/v1/events?status=lost", "status"},
		{"an unknown channel", "/v1/events/" + ev.ID + "/deliveries?channel=pigeon", "channel"},
		{"an unknown parameter", "/v1/events?stauts=queued", "stauts"},
		{"no job state", "/v1/queues/event-notifications/jobs", "state"},
		{"an unknown job state", "/v1/queues/event-notifications/jobs?state=lost", "state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.raw("GET", c.path, "").problem(t)
			if p.Status != 422 || p.Code != "invalid" || len(p.Fields) == 0 || p.Fields[0].Field != c.field {
				t.Errorf("answered %d %s %v, want 422 on %s", p.Status, p.Code, p.Fields, c.field)
			}
		})
	}
	if p := s.raw("GET", "/v1/users/u1/inbox/stream", "", "Last-Event-ID", "x").problem(t); p.Status != 422 {
		t.Errorf("a Last-Event-ID that is none answered %d", p.Status)
	}
	for _, ttl := range []string{"9", "86401", "-1"} {
		if p := s.raw("POST", "/v1/users/u1/token", `{"ttl":`+ttl+`}`).problem(t); p.Status != 422 || p.Fields[0].Field != "ttl" {
			t.Errorf("ttl %s answered %d %v", ttl, p.Status, p.Fields)
		}
	}
}

func testBadInputPreferencesAndGroups(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	for _, c := range []struct{ name, path, body, field string }{
		{"a category that is mandatory", "/v1/users/u1/preferences", `{"preferences":[{"category":"urgent","channel":"email","opted_out":true}]}`, "preferences[0].category"},
		{"the inbox", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"in_app","opted_out":true}]}`, "preferences[0].channel"},
		{"an unknown category", "/v1/users/u1/preferences", `{"preferences":[{"category":"x","channel":"email","opted_out":true}]}`, "preferences[0].category"},
		{"an unknown channel", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"fax","mode":"off"}]}`, "preferences[0].channel"},
		{"a mode that does not exist", "/v1/users/u1/preferences", `{"preferences":[{"category":"event","channel":"email","mode":"weekly"}]}`, "preferences[0].mode"},
		{"a digest of digests", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"email","mode":"digest"}]}`, "preferences[0].category"},
		{"a digest of a mandatory category", "/v1/users/u1/preferences", `{"preferences":[{"category":"attendance","channel":"email","mode":"digest"}]}`, "preferences[0].category"},
		{"a digest of text messages", "/v1/users/u1/preferences", `{"preferences":[{"category":"event","channel":"sms","mode":"digest"}]}`, "preferences[0].channel"},
		{"quiet hours at no time", "/v1/users/u1/schedule", `{"quiet_hours":{"from":"21:00","to":"25:00"}}`, "quiet_hours.to"},
		{"quiet hours without an end", "/v1/users/u1/schedule", `{"quiet_hours":{"from":"21:00"}}`, "quiet_hours.to"},
		{"a digest at no time", "/v1/users/u1/schedule", `{"digest":{"at":"5pm"}}`, "digest.at"},
		{"a digest on no day", "/v1/users/u1/schedule", `{"digest":{"at":"17:00","weekday":"Friday"}}`, "digest.weekday"},
		{"neither mode nor opted_out", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"email"}]}`, "preferences[0].mode"},
		{"mode and opted_out that disagree", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"email","mode":"off","opted_out":false}]}`, "preferences[0].mode"},
		{"a category without a name", "/v1/categories/trips", `{"name":""}`, "name"},
		{"a category with an id that cannot be", "/v1/categories/Trips", `{"name":"Trips"}`, "id"},
		{"a category with another id than its path", "/v1/categories/trips", `{"id":"tours","name":"Trips"}`, "id"},
		{"a category in an unknown lane", "/v1/categories/trips", `{"name":"Trips","lane":"fast"}`, "lane"},
		{"a category on an unknown channel", "/v1/categories/trips", `{"name":"Trips","channels":["in_app","fax"]}`, "channels[1]"},
		{"a category on no channel", "/v1/categories/trips", `{"name":"Trips","channels":[]}`, "channels"},
		{"a category at no position", "/v1/categories/trips", `{"name":"Trips","position":-1}`, "position"},
		{"an address on an unknown channel", "/v1/users/u1", `{"name":"U","roles":["parent"],"addresses":[{"channel":"fax","address":"1"}]}`, "addresses[0].channel"},
		{"an address in the inbox", "/v1/users/u1", `{"name":"U","roles":["parent"],"addresses":[{"channel":"in_app","address":"1"}]}`, "addresses[0].channel"},
		{"an email address that is none", "/v1/users/u1", `{"name":"U","roles":["parent"],"addresses":[{"channel":"email","address":"ada at home"}]}`, "addresses[0].address"},
		{"a phone number that is none", "/v1/users/u1", `{"name":"U","roles":["parent"],"addresses":[{"channel":"sms","address":"12"}]}`, "addresses[0].address"},
		{"an address twice", "/v1/users/u1", `{"name":"U","roles":["parent"],"addresses":[{"channel":"sms","address":"+442079460018"},{"channel":"sms","address":"+44 20 7946 0018"}]}`, "addresses[1]"},
		{"the same wish twice", "/v1/users/u1/preferences", `{"preferences":[{"category":"digest","channel":"email","opted_out":true},{"category":"digest","channel":"email","opted_out":false}]}`, "preferences[1]"},
		{"a group of an unknown kind", "/v1/groups/g1", `{"name":"G","kind":"gang"}`, "kind"},
		{"a group without a name", "/v1/groups/g1", `{"name":"","kind":"club"}`, "name"},
		{"a group whose name nobody sees", "/v1/groups/g1", `{"name":"\u200b\u3164","kind":"club"}`, "name"},
		{"a group whose name reorders text", "/v1/groups/g1", `{"name":"Class \u2067b","kind":"club"}`, "name"},
		{"a group under nothing known", "/v1/groups/g1", `{"name":"G","kind":"club","parent":"ghost"}`, "parent"},
		{"a group under itself", "/v1/groups/g1", `{"name":"G","kind":"club","parent":"g1"}`, "parent"},
		{"a group with another id than its path", "/v1/groups/g1", `{"id":"g2","name":"G","kind":"club"}`, "id"},
		{"a user with another id than the path", "/v1/users/u9", `{"id":"u8","name":"A","roles":["parent"]}`, "id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := s.raw("PUT", c.path, c.body).problem(t)
			if p.Status != 422 || len(p.Fields) == 0 || p.Fields[0].Field != c.field {
				t.Errorf("answered %d %v, want 422 on %s", p.Status, p.Fields, c.field)
			}
		})
	}
}

func testBadInputURL(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/v1/users/caf%e9", "/v1/events?status=%ff", "/v1/events?%ff=1", "/v1/queues/%f0%9f/jobs",
		"/v1/events?cursor=%ff&x=%zz", "/v1/events?limit=2&status=%zz", "/v1/events?limit=1;status=failed", "/v1/events?status=failed%"} {
		if p := s.raw("GET", path, "").problem(t); p.Status != 400 || p.Code != "malformed" {
			t.Errorf("%s: answered %d %s", path, p.Status, p.Code)
		}
	}
}
