package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// Words about one child each. Nobody but the family may see them.
const (
	adaReason  = "no <b>reason</b> known & {{user.name}} 🎒"
	cleoReason = "has-measles-since-monday"
)

func TestPersonal(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, personalReaches)
}

// personalReaches tells guardians about their own students, and expects that nobody and nothing learns of others.
func personalReaches(t *testing.T, parts system.Parts) {
	t.Helper()
	mail := system.NewMail(t)
	parts.SMTP, parts.Settings = mail.Addr(), []string{"SCHOOL_NAME=Hill", "LOG_LEVEL=debug"}
	s := system.New(t, parts)
	running := s.StartProcesses()
	putFamilies(t, s)
	id := createAbsence(t, s)
	s.AwaitStatus(id, schoolbell.EventCompleted)
	if s.Redis != "" {
		lacks(t, "Redis", system.DumpRedis(t, s.Redis), "measles", "Ada Mossfield")
	}
	wantFamilyEmails(t, mail.Texts())
	wantFamilyInboxes(t, s, mail.Texts())
	ev, err := s.Client.Event(t.Context(), id)
	must(t, err)
	if ev.ForEach != schoolbell.ForEachStudent || ev.PersonalCount != 3 {
		t.Errorf("the event is %+v", ev)
	}
	for _, p := range running {
		p.Stop()
		lacks(t, "the log", p.Output(), "measles", "Ada Mossfield", "room-seven")
	}
}

func putFamilies(t *testing.T, s *system.School) {
	t.Helper()
	_, _, err := s.Client.PutGroup(t.Context(), schoolbell.Group{ID: "5b", Name: "5b", Kind: schoolbell.GroupClass})
	must(t, err)
	student, parent := []schoolbell.Role{schoolbell.RoleStudent}, []schoolbell.Role{schoolbell.RoleParent}
	for _, u := range []schoolbell.User{
		{ID: "ada", Name: "Ada Mossfield", Roles: student, Groups: []string{"5b"}},
		{ID: "ben", Name: "عمر Mossfield", Roles: student, Groups: []string{"5b"}},
		{ID: "cleo", Name: "Cleo Quill", Roles: student, Groups: []string{"5b"}},
		{ID: "dina", Name: "Dina Mossfield", Roles: student},
		{ID: "mum", Name: "Yara Mossfield", Email: "mum@" + peopleDomain, Roles: parent, GuardianOf: []string{"ada", "ben", "dina"}},
		{ID: "papa", Name: "Pedro Quill", Email: "papa@" + peopleDomain, Roles: parent, GuardianOf: []string{"cleo"}},
	} {
		_, _, err := s.Client.PutUser(t.Context(), u)
		must(t, err)
	}
}

const peopleDomain = "people.hill.example"

// createAbsence creates an event with the command line, from a file of personal data.
func createAbsence(t *testing.T, s *system.School) (id string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "absent.ndjson")
	var lines strings.Builder
	for user, data := range map[string]map[string]any{"ada": {"reason": adaReason}, "cleo": {"reason": cleoReason}, "mum": {"room": "room-seven"}} {
		line, err := json.Marshal(map[string]any{"user": user, "data": data})
		must(t, err)
		fmt.Fprintf(&lines, "%s\n\n", line)
	}
	must(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	out := s.Does("event", "create", "--title", "{{students|A student}} absent today", "--body", "Dear {{user.name}}, please call {{data.room|the office}}.",
		"--category", "attendance", "--channel", "email", "--channel", "in_app",
		"--guardians-of-group", "5b", "--for-each", "student", "--personal", file, "--json")
	var ev wire.Event
	must(t, json.Unmarshal([]byte(out), &ev))
	return ev.ID
}

func wantFamilyEmails(t *testing.T, texts map[string][]string) {
	t.Helper()
	if len(texts["mum"]) != 1 || len(texts["papa"]) != 1 || len(texts) != 2 {
		t.Fatalf("emails to %v", texts)
	}
	mum, papa := texts["mum"][0], texts["papa"][0]
	shows(t, mum, "Ada Mossfield and \u2068عمر Mossfield\u2069 absent today", "Dear Yara Mossfield, please call room-seven.", "- Ada Mossfield: "+adaReason, "- \u2068عمر Mossfield\u2069\n", `<b dir="auto">Ada Mossfield</b><br><span dir="auto">no &lt;b&gt;reason&lt;/b&gt; known &amp; {{user.name}} 🎒</span>`,
		"You get this message from Hill as a guardian of Ada Mossfield and \u2068عمر Mossfield\u2069.")
	lacks(t, "the email to one family", mum, "Cleo", "measles", "Dina")
	shows(t, papa, "Cleo Quill absent today", "Dear Pedro Quill, please call the office.", "- Cleo Quill: "+cleoReason, "You get this message from Hill as a guardian of Cleo Quill.")
	lacks(t, "the email to the other family", papa, "Ada", "Mossfield", "room-seven")
}

// link is the address of a message page in an email.
var link = regexp.MustCompile(`http://127\.0\.0\.1:\d+/m/[A-Za-z0-9_-]+`)

// wantFamilyInboxes expects the same text in the inbox, its stream and on the page of the message.
func wantFamilyInboxes(t *testing.T, s *system.School, emails map[string][]string) {
	t.Helper()
	for user, want := range map[string][2]string{
		"mum":  {"Ada Mossfield and \u2068عمر Mossfield\u2069 absent today", "Dear Yara Mossfield, please call room-seven."},
		"papa": {"Cleo Quill absent today", "Dear Pedro Quill, please call the office."},
	} {
		inbox, err := s.Client.Inbox(t.Context(), user, client.Page{})
		must(t, err)
		if len(inbox.Items) != 1 || inbox.Items[0].Title != want[0] || inbox.Items[0].Body != want[1] {
			t.Errorf("the inbox of %s has %+v", user, inbox.Items)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link.FindString(emails[user][0]), nil)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		page, err := io.ReadAll(resp.Body)
		must(t, errors.Join(err, resp.Body.Close()))
		shows(t, string(page), want[:]...)
	}
}

// lacks reports words that a text has.
func lacks(t *testing.T, what, text string, words ...string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s is empty", what)
	}
	for _, word := range words {
		if i := strings.Index(text, word); i >= 0 {
			t.Errorf("%s has %q: …%s…", what, word, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

// Personal data of an event are a part of its request: they may be large, and faults name them.
func TestPersonalLimits(t *testing.T) {
	t.Parallel()
	s := system.New(t, system.Parts{SMTP: system.NewMail(t).Addr()})
	defer s.Serve().Stop()
	const people = schoolbell.MaxPersonal
	s.Import(people)
	ev := wire.NewEvent{Title: "Reports", Body: "Your report.", SendAt: wire.At(time.Now().Add(time.Hour)),
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}}
	data := json.RawMessage(`{"note": "` + strings.Repeat("ü", 190) + `"}`)
	for i := range people {
		ev.Personal = append(ev.Personal, schoolbell.PersonData{User: system.Person(i), Data: data})
	}
	got, err := s.Client.CreateEvent(t.Context(), ev)
	must(t, err)
	if got.PersonalCount != people {
		t.Errorf("data of %d people", got.PersonalCount)
	}
	ev.Personal[3].User, ev.Personal[7].Data = "nobody", json.RawMessage(`{"a": []}`)
	wantFault(t, s, ev, "personal[7].data.a")
	ev.Personal[7].Data = data
	wantFault(t, s, ev, "personal[3].user")
	ev.Personal[3].User = system.Person(0)
	wantFault(t, s, ev, "personal[3].user")
	ev.Personal = append(ev.Personal[:3], ev.Personal[4:]...)
	ev.ForEach = schoolbell.ForEachStudent
	wantFault(t, s, ev, "for_each")
	ev.ForEach = "teacher"
	wantFault(t, s, ev, "for_each")
	ev.ForEach, ev.Body = "", "For {{user.nme}}"
	wantFault(t, s, ev, "body")
	ev.Personal = nil // nothing is personal, so braces have no meaning
	_, err = s.Client.CreateEvent(t.Context(), ev)
	must(t, err)
}

func wantFault(t *testing.T, s *system.School, ev wire.NewEvent, field string) {
	t.Helper()
	_, err := s.Client.CreateEvent(t.Context(), ev)
	if err == nil || !strings.Contains(err.Error(), field+":") {
		t.Errorf("the error is %.300v, want one of %s", err, field)
	}
}
