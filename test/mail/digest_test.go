package mail

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// A digest is one email with each of its items once, as strict parsers read it. People without items get none.
func TestDigest(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		catcher := startCatcher(t)
		parts.SMTP = catcher.Addr()
		parts.Settings = []string{"EMAIL_FROM=Schule Höhe <office@hill.example>", "SCHOOL_NAME=Schule Höhe", "PUBLIC_URL=https://bell.hill.example"}
		s := system.New(t, parts)
		stop := s.Start()
		for _, u := range []schoolbell.User{
			{ID: "nia", Name: "Nia Quill"},
			{ID: "zed", Name: "Zed Haddad"},
			{ID: "anne", Name: "Anne O'Neill", Locale: "en-GB", Timezone: "Europe/London", GuardianOf: []string{"nia"}},
			{ID: "omar", Name: "عمر حداد", Locale: "ar", Timezone: "Asia/Kathmandu", GuardianOf: []string{"zed"}},
			{ID: "none", Name: "Nobody's Items", Locale: "de"},
		} {
			u.Email, u.Roles = u.ID+"@people.hill.example", []schoolbell.Role{schoolbell.RoleParent}
			if _, _, err := s.Client.PutUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			s.WantDigest(u.ID, schoolbell.CategoryAnnouncement, schoolbell.CategoryEvent)
		}
		create := func(ev wire.NewEvent, to ...string) string {
			ev.Channels = []schoolbell.Channel{schoolbell.ChannelEmail}
			if len(to) > 0 {
				ev.Audience.Users = to
			}
			created, err := s.Client.CreateEvent(t.Context(), ev)
			if err != nil {
				t.Fatal(err)
			}
			s.AwaitStatus(created.ID, schoolbell.EventCompleted)
			return created.ID
		}
		long := strings.TrimSpace(strings.Repeat("A long title 🎒 ", 12))
		create(wire.NewEvent{Title: "Menu <b>", Body: ".A dot at the start.\n\nSecond paragraph & more."}, "anne", "omar")
		create(wire.NewEvent{Title: "Sports day", Body: "Bring water.", Category: "event", Location: "Gym", StartsAt: wire.At(time.Date(2031, 7, 4, 8, 30, 0, 0, time.UTC)),
			EndsAt: wire.At(time.Date(2031, 7, 4, 15, 0, 0, 0, time.UTC)), Texts: map[string]schoolbell.EventText{"ar": {Title: "اليوم الرياضي", Body: "أحضروا الماء."}}}, "anne", "omar")
		create(wire.NewEvent{Title: long, Body: strings.Repeat("word ", 100)}, "anne")
		create(wire.NewEvent{Title: "Photos", Body: "Dear {{user.name}}, the code is {{data.code|at the office}}.", ForEach: schoolbell.ForEachStudent,
			Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{"nia", "zed"}}},
			Personal: []schoolbell.PersonData{{User: "anne", Data: json.RawMessage(`{"code": "A-17"}`)}}})
		create(wire.NewEvent{Title: "Report of {{students|your child}}", Body: "It is ready.", ForEach: schoolbell.ForEachStudent,
			Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{"nia", "zed"}}}})
		if n := catcher.Accepted(); n != 0 {
			t.Fatalf("%d emails before the window has closed", n)
		}
		again := func(digests int) []*wire.Event {
			stop()
			s.CloseDigests()
			stop = s.Start()
			return s.AwaitDigests(digests)
		}
		again(1)
		emails := digestsOf(t, catcher)
		if len(emails) != 2 || emails["omar"] == nil {
			t.Fatalf("%d people got a digest", len(emails))
		}
		wantDigest(t, emails["anne"], "Digest", "Menu <b>", "Sports day", long, "Photos", "Report of Nia Quill")
		wantDigest(t, emails["omar"], "ملخص", "Menu <b>", "اليوم الرياضي", "Photos", "Report of Zed Haddad")
		if text := examine(t, emails["anne"], "").Email.Text; !strings.Contains(text, "\nFriday, 4 July 2031, 09:30–16:00 (Europe/London) · Gym\nBring water.\n") {
			t.Errorf("the text is\n%s", text)
		}

		for user, want := range map[string][3]string{
			"anne": {" · Nia Quill\n", "Dear Anne O'Neill, the code is A-17.", "Zed"},
			"omar": {" · Zed Haddad\n", "Dear عمر حداد, the code is at the office.", "Nia"},
		} {
			if e := examine(t, emails[user], "").Email; !strings.Contains(e.Text, "\nPhotos"+want[0]+want[1]+"\n") || strings.Contains(e.Subject+e.Text+e.HTML, want[2]) {
				t.Errorf("%s got %s\n%s", user, e.Subject, e.Text)
			}
		}

		// The next window: one person has an item, and that of another one is cancelled.
		create(wire.NewEvent{Title: "Book fair", Body: "In the library."}, "anne")
		cancelled := create(wire.NewEvent{Title: "Trip", Body: "To the sea.", ExpiresAt: wire.At(time.Now().Add(time.Hour))}, "omar")
		stop()
		s.Ledger.Change("UPDATE events SET expires_at = created_at WHERE id = '" + cancelled + "'")
		stop = s.Start()
		newest, err := s.Client.Event(t.Context(), again(2)[0].ID)
		if p := newest.Progress; err != nil || p.Channels[schoolbell.ChannelEmail].Sent != 1 || p.Channels[schoolbell.ChannelEmail].Suppressed != 1 {
			t.Errorf("the digest is at %+v, %v", p, err)
		}
		if catcher.Accepted() != 3 {
			t.Errorf("%d emails were sent", catcher.Accepted())
		}
		second := digestsOf(t, catcher)["anne"]
		wantDigest(t, second, "Digest", "Book fair")
		if strings.Contains(string(second), "Sports day") {
			t.Errorf("an item is in a second digest:\n%s", second)
		}
		stop()
	})
}

// digestsOf returns the newest email to each person.
func digestsOf(t *testing.T, catcher *embedded.MailCatcher) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, m := range catcher.Messages(10) {
		user, _, _ := strings.Cut(m.To[0], "@")
		whole, _ := catcher.Message(m.ID)
		if all[user] == nil {
			all[user] = whole.Raw
		}
	}
	return all
}

// wantDigest expects a digest with these items, each once in both parts, as two parsers read them.
func wantDigest(t *testing.T, raw []byte, subject string, items ...string) {
	t.Helper()
	theirs, ours := examine(t, raw, "").Email, strictly(t, raw)
	if !strings.HasPrefix(theirs.Subject, subject+": "+items[0]) {
		t.Errorf("the subject is %q", theirs.Subject)
	}
	for kind, text := range map[string]string{"text/plain": theirs.Text, "text/html": theirs.HTML} {
		if a, b := strings.TrimSpace(ours.Parts[kind]), strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")); a != b {
			t.Errorf("one parser reads %s as\n%s\nthe other as\n%s", kind, a, b)
		}
	}
	for _, item := range items {
		inText, inHTML := strings.Count(theirs.Text, "\n\n"+item+"\n")+strings.Count(theirs.Text, "\n\n"+item+" · "), strings.Count(theirs.HTML, ">"+html.EscapeString(item)+"</a>")
		if inText != 1 || inHTML != 1 {
			t.Errorf("%q is %d times in the text and %d times in the HTML:\n%s", item, inText, inHTML, theirs.Text)
		}
	}
	if links := strings.Count(theirs.Text, "https://bell.hill.example/m/"); links != len(items) {
		t.Errorf("%d links for %d items", links, len(items))
	}
}
