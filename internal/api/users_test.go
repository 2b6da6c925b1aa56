package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	t.Run("a user is created, replaced, read and deleted", testUsersCRUD)
	t.Run("only a new user gets a Location header", testUsersLocation)
	t.Run("preferences are stored", testUsersPreferences)
	t.Run("a schedule has parts of the school's", testUsersSchedule)
}

func testUsersCRUD(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	s.user("kid", schoolbell.RoleStudent)
	in := schoolbell.User{ID: "ada@school", Name: "Ada Ünal", Email: "ada@example.org", Phone: "+442079460018", Roles: []schoolbell.Role{"teacher", "parent"},
		Groups: []string{"5b"}, Locale: "pt-BR", Timezone: "Europe/London", GuardianOf: []string{"kid"}}
	made, created, err := s.PutUser(ctx, in)
	must(t, err)
	want := in
	want.Roles = []schoolbell.Role{schoolbell.RoleParent, schoolbell.RoleTeacher} // as they are stored
	want.Addresses = []schoolbell.Address{
		{Channel: schoolbell.ChannelEmail, Address: in.Email, State: schoolbell.AddressUnverified},
		{Channel: schoolbell.ChannelSMS, Address: in.Phone, State: schoolbell.AddressUnverified}}
	if diff := cmp.Diff(&want, made); diff != "" || !created {
		t.Errorf("created %v: %s", created, diff)
	}
	in.Name, in.GuardianOf = "Ada", nil
	_, created, err = s.PutUser(ctx, in)
	must(t, err)
	got, err := s.User(ctx, in.ID)
	must(t, err)
	if got.Name != "Ada" || len(got.GuardianOf) != 0 || created {
		t.Errorf("replaced into %+v, created %v", got, created)
	}
	must(t, s.DeleteUser(ctx, in.ID))
	_, err = s.User(ctx, in.ID)
	wantProblem(t, err, 404, "not_found", "")
}

func testUsersLocation(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	body := `{"id":"u1","name":"A","roles":["parent"]}`
	first, second := s.raw("PUT", "/v1/users/u1", body), s.raw("PUT", "/v1/users/u1", body)
	if first.StatusCode != 201 || first.Header.Get("Location") != "/v1/users/u1" || second.StatusCode != 200 || second.Header.Get("Location") != "" {
		t.Errorf("answered %d %q, then %d %q", first.StatusCode, first.Header.Get("Location"), second.StatusCode, second.Header.Get("Location"))
	}
}

func testUsersPreferences(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	none, err := s.Preferences(t.Context(), "u1")
	must(t, err)
	if none == nil || len(none) != 0 {
		t.Errorf("preferences of a new user are %v, want an empty list", none)
	}
	wish := schoolbell.Preference{Category: schoolbell.CategoryDigest, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}
	got, err := s.PutPreferences(t.Context(), "u1", wish)
	must(t, err)
	if diff := cmp.Diff([]schoolbell.Preference{wish}, got); diff != "" {
		t.Error(diff)
	}
}

func testUsersSchedule(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	of := schoolbell.DefaultSchoolSettings()
	of.Timezone, of.QuietHours = "Europe/London", schoolbell.QuietHours{From: "22:00", To: "06:00"}
	_, err := s.PutSettings(t.Context(), wire.SettingsOf(of))
	must(t, err)
	own := schoolbell.Schedule{Digest: schoolbell.DigestWindow{At: "08:00", Weekday: "monday"}}
	put, err := s.PutSchedule(t.Context(), "u1", own)
	must(t, err)
	want := wire.Schedule{Digest: own.Digest, Effective: &wire.EffectiveSchedule{QuietHours: of.QuietHours, Digest: own.Digest, Timezone: "Europe/London"}}
	if diff := cmp.Diff(want, put); diff != "" {
		t.Error(diff)
	}
	none := schoolbell.QuietHours{From: "00:00", To: "00:00"}
	_, err = s.PutSchedule(t.Context(), "u1", schoolbell.Schedule{QuietHours: none})
	must(t, err)
	got, err := s.Schedule(t.Context(), "u1")
	must(t, err)
	want = wire.Schedule{QuietHours: none, Effective: &wire.EffectiveSchedule{Digest: schoolbell.DefaultDigestWindow(), Timezone: "Europe/London"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	t.Run("errors are reported by line", testImportErrorLines)
	t.Run("the limit for JSON bodies does not apply", testImportJSONLimit)
	t.Run("an import over its limit reports what was stored", testImportOwnLimit)
	t.Run("a wrong header stores nothing", testImportWrongHeader)
	t.Run("a truncated import keeps its rows", testImportTruncated)
}

func testImportErrorLines(t *testing.T) {
	t.Parallel()
	for kind, file := range map[string]string{
		client.NDJSON: `{"id":"p1","name":"Pat","roles":["parent"],"guardian_of":["s1","ghost"]}
{"id":"p2","name":"Pam","roles":["parent"],"email":"pam at home"}
{"id":"p1","name":"Pat again","roles":["parent"]}
{"id":"p3","name":"Eve\r\nBcc: all@example.org","roles":["parent"]}
{"id":"s1","name":"Sam","roles":["student"]}
`,
		client.CSV: "ID,Name,Roles,Email,guardian_of\r\n" +
			"p1,Pat,parent,,s1;ghost\r\n" +
			"p2,Pam,parent,pam at home,\r\n" +
			"p1,Pat again,parent,,\r\n" +
			"p3,\"Eve\r\nBcc: all@example.org\",parent,,\r\n" +
			"s1,Sam,student,,\r\n",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			got, err := s.ImportUsers(t.Context(), strings.NewReader(file), kind)
			must(t, err)
			if got.Imported != 2 || got.Updated != 0 || got.Rejected != 3 {
				t.Errorf("imported %d, updated %d, rejected %d; want 2, 0, 3", got.Imported, got.Updated, got.Rejected)
			}
			head := 0
			if kind == client.CSV {
				head = 1
			}
			var at []string
			for _, e := range got.Errors {
				at = append(at, fmt.Sprint(e.Line-head, " ", e.Field))
			}
			if diff := cmp.Diff([]string{"1 guardian_of[1]", "2 email", "3 id", "4 name"}, at); diff != "" {
				t.Error(diff)
			}
			pat, err := s.User(t.Context(), "p1")
			must(t, err)
			if diff := cmp.Diff([]string{"s1"}, pat.GuardianOf); diff != "" || pat.Name != "Pat" {
				t.Errorf("Pat is %+v", pat)
			}
			again, err := s.ImportUsers(t.Context(), strings.NewReader(file), kind)
			must(t, err)
			if again.Imported != 0 || again.Updated != 2 {
				t.Errorf("again: imported %d, updated %d; want 0, 2", again.Imported, again.Updated)
			}
		})
	}
}

func testImportJSONLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const users = 4_000
	name := strings.Repeat("n", 200)
	r, w := io.Pipe()
	go func() {
		for i := range users { // more than 1 MiB in all
			fmt.Fprintf(w, `{"id":"u%d","name":%q,"email":"u%d@example.org","roles":["student"]}`+"\n", i, name, i)
		}
		_ = w.Close()
	}()
	got, err := s.ImportUsers(t.Context(), r, client.NDJSON)
	must(t, err)
	if got.Imported != users || got.Rejected != 0 {
		t.Errorf("imported %d, rejected %d", got.Imported, got.Rejected)
	}
}

func testImportOwnLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.MaxImportBytes = 100 })
	rows := strings.Repeat(`{"id":"u1","name":"A","roles":["parent"]}`+"\n", 4)
	_, err := s.ImportUsers(t.Context(), strings.NewReader(rows), client.NDJSON)
	wantProblem(t, err, 413, "too_large", "")
	if p, _ := errors.AsType[*client.Problem](err); p.Import == nil || p.Import.Imported != 1 || p.Import.Rejected != 1 {
		t.Errorf("the problem says %+v of the import", p.Import)
	}
	if _, err := s.User(t.Context(), "u1"); err != nil {
		t.Errorf("what went in is not there: %v", err)
	}
}

func testImportWrongHeader(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for header, field := range map[string]string{"id,name,roles,shoe_size": "shoe_size", "name,roles": "id", "id,name,name": "name"} {
		_, err := s.ImportUsers(t.Context(), strings.NewReader(header+"\nu1,A,parent,44\n"), client.CSV)
		wantProblem(t, err, 422, "invalid", field)
	}
	page, err := s.Users(t.Context(), client.Page{})
	must(t, err)
	if len(page.Users) != 0 {
		t.Errorf("%d users were stored", len(page.Users))
	}
}

func testImportTruncated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	stored := func() []*schoolbell.User {
		users, err := s.ledger.People.Users(context.Background(), "", 2000)
		must(t, err)
		return users
	}
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/users:import", r)
	must(t, err)
	req.Header.Set("Content-Type", client.NDJSON)
	req.Header.Set("Authorization", "Bearer "+s.keys[schoolbell.ScopeAdmin])
	answered := make(chan error, 1)
	go func() {
		tr := &http.Transport{DisableKeepAlives: true}
		resp, err := tr.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		answered <- err
	}()
	for i := range 1100 {
		_, err := fmt.Fprintf(w, `{"id":"u%d","name":"A","roles":["parent"],"guardian_of":["later"]}`+"\n", i)
		must(t, err)
	}
	testenv.Eventually(t, 10*time.Second, func() bool { return len(stored()) >= 500 }, "a batch is stored")
	_ = w.CloseWithError(errors.New("the cable was pulled"))
	if err := <-answered; err == nil {
		t.Fatal("a broken request was answered")
	}
	s.stop() // the running request is over then
	for _, u := range stored() {
		if len(u.GuardianOf) > 0 {
			t.Fatalf("%s is a guardian of somebody who is not there", u.ID)
		}
	}
}
