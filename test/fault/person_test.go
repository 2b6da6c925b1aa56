package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// What an erasure does with the rows of a person in a table.
const (
	rowsGo     = "the rows are deleted"
	numberOnly = "the rows keep the person's number and nothing else of them"
	idStays    = "the id stays, and nothing else"
	notPerson  = "no row belongs to a person"
	ofStaff    = "rows belong to people of the staff: they are removed with the account"
)

// table says what an erasure and an export do with a table. A new table fails the test until
// somebody has thought about both.
type table struct {
	erased   string
	person   string // the column with the number of the person, if the rows have one
	exported string // the field of the export, or why there is none
}

var tables = map[string]table{
	"users":              {numberOnly, "seq", "user"},
	"user_roles":         {rowsGo, "user_seq", "user"},
	"memberships":        {rowsGo, "user_seq", "user"},
	"guardianships":      {rowsGo, "guardian_seq", "user"},
	"addresses":          {rowsGo, "user_seq", "user"},
	"preferences":        {rowsGo, "user_seq", "preferences"},
	"inbox":              {rowsGo, "user_seq", "inbox"},
	"personal_data":      {rowsGo, "user_seq", "personal"},
	"concerned_students": {rowsGo, "user_seq", "personal"},
	"deliveries":         {numberOnly, "user_seq", "deliveries"},
	"receipts":           {numberOnly, "user_seq", "receipts"},
	"erasures":           {numberOnly, "user_seq", "no: only people who are not there any more"},
	"audit":              {idStays, "", "audit"},
	"events":             {idStays, "", "inbox, for those that the person got"}, // the audience may name the id
	"claims":             {numberOnly, "", "no: the numbers of those whose messages are being sent at the moment"},
	"batches":            {numberOnly, "", "no: ranges of numbers"},
	"webhook_facts":      {numberOnly, "user_seq", "no: the numbers of those of whom a webhook will be told in a moment"},
	"webhook_messages":   {numberOnly, "", "no: numbers in messages that were not sent yet"},
	"chunks":             {numberOnly, "", "no: ranges of numbers"},
	"digest_items":       {rowsGo, "user_seq", "deliveries, with the reason in_digest"},
	"household_messages": {rowsGo, "user_seq", "deliveries of others, with the reason same_address"},

	"groups": {notPerson, "", ""}, "channels": {notPerson, "", ""}, "categories": {notPerson, "", ""}, "waves": {notPerson, "", ""},
	"totals": {notPerson, "", ""}, "idempotency": {notPerson, "", ""}, "leases": {notPerson, "", ""}, "api_keys": {notPerson, "", ""},
	"secrets": {notPerson, "", ""}, "school_settings": {notPerson, "", ""}, "turns": {notPerson, "", ""}, "installation": {notPerson, "", ""}, "quotas": {notPerson, "", ""},
	"templates": {notPerson, "", ""},
	"staff":     {ofStaff, "", "no: it has no users"}, "staff_links": {ofStaff, "", "no: it has no users"}, "staff_sessions": {ofStaff, "", "no: it has no users"}, "staff_identities": {ofStaff, "", "no: it has no users"}, "areas": {notPerson, "", ""}, "traffic": {notPerson, "", ""}, "drafts": {ofStaff, "", "no: it has no users"}, "webhooks": {notPerson, "", ""}, "webhook_attempts": {notPerson, "", ""},
	"goose_db_version": {notPerson, "", ""}, "sqlite_sequence": {notPerson, "", ""},
}

// ofPerson matches columns that tell of a person.
var ofPerson = regexp.MustCompile(`(^|_)(users?|guardians?|students?|actors?|persons?|people|recipients?|members?|staff|address|email|phone)(_|$)`)

// Every table with people in it joins erasure and export, or says why not; and both do what
// they say.
func TestPersonalData(t *testing.T) {
	t.Parallel()
	for _, ledger := range []string{"SQLite", "PostgreSQL"} {
		t.Run("on "+ledger+", every table is erased and exported", func(t *testing.T) {
			t.Parallel()
			parts := system.Parts{SMTP: system.NewMail(t).Addr()}
			if ledger == "PostgreSQL" {
				parts.Database = testenv.Postgres(t)
			}
			s := system.New(t, parts)
			p := s.Serve()
			wantListed(t, s.Ledger.Columns())
			number := liveOf(t, s)
			text := exportOf(t, s, ada.ID)
			for _, word := range []string{ada.Name, ada.Email, ada.Phone, "7b", "ward", "guard", "aunt", "For Zaphira", "receipt-1", `"mode":"off"`, "said zaphira", "zaphira likes it", `"students":["ward"]`, `"guardians":["guard"]`, `"calendar_feed":true`} {
				if !strings.Contains(text, word) {
					t.Errorf("the export lacks %q", word)
				}
			}
			if err := s.Client.DeleteUser(t.Context(), ada.ID); err != nil {
				t.Fatal(err)
			}
			p.Stop()
			s.Ledger.Age("erasures.erased_at")
			s.Ledger.Due()
			p = s.LaunchWith([]string{"RETAIN_AUDIT=forever"}, "serve", "serve")
			testenv.Eventually(t, time.Minute, func() bool { return s.Ledger.Count(`SELECT count(*) FROM erasures`) == 0 }, "the deliveries are scrubbed")
			p.Stop()
			wantErased(t, s, number)
		})
	}
}

func wantListed(t *testing.T, schema map[string][]string) {
	if len(schema) < 20 {
		t.Errorf("the schema has only the tables %v", slices.Sorted(maps.Keys(schema)))
	}
	for name, columns := range schema {
		entry, ok := tables[name]
		if !ok {
			t.Errorf("table %s is new: list how it is erased and exported, or why not", name)
			continue
		}
		for _, c := range columns {
			if entry.erased == notPerson && ofPerson.MatchString(c) && name+"."+c != "channels.every_address" {
				t.Errorf("%s.%s tells of a person: list how the table is erased and exported", name, c)
			}
			if entry.person == "" && strings.HasSuffix(c, "user_seq") {
				t.Errorf("%s.%s has the number of a person: name it in the list", name, c)
			}
		}
		if entry.erased != notPerson && entry.exported == "" || entry.person != "" && !slices.Contains(columns, entry.person) {
			t.Errorf("the entry of %s is incomplete: %+v", name, entry)
		}
	}
}

// ada is the person whose data are exported and erased.
var ada = schoolbell.User{ID: "zaphira-q", Name: "Zaphira Quillfeather", Email: "zaphira@quill.example", Phone: "+447700900177", Locale: "pt-BR",
	Timezone: "Europe/Lisbon", Roles: []schoolbell.Role{schoolbell.RoleParent}, Groups: []string{"7b"}, GuardianOf: []string{"ward"}}

// liveOf gives ada something in every table, and returns her number.
func liveOf(t *testing.T, s *system.School) (number int) {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(u schoolbell.User) { t.Helper(); _, _, err := s.Client.PutUser(t.Context(), u); do(err) }
	put(schoolbell.User{ID: "ward", Name: "Ward", Roles: []schoolbell.Role{schoolbell.RoleStudent}})
	u := ada
	u.Addresses = []schoolbell.Address{{Channel: schoolbell.ChannelEmail, Address: "zaphira@aunt.example", Label: "aunt"}}
	put(u)
	put(schoolbell.User{ID: "guard", Name: "Guard", Roles: []schoolbell.Role{schoolbell.RoleParent}, GuardianOf: []string{ada.ID}})
	_, err := s.Client.PutPreferences(t.Context(), ada.ID, schoolbell.Preference{Category: "digest", Channel: "email", Mode: schoolbell.ModeOff})
	do(err)
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "For Zaphira", Body: "Hello.", Audience: schoolbell.Audience{
		Selector: schoolbell.Selector{Users: []string{ada.ID, "ward"}}, GuardiansOf: &schoolbell.Selector{Users: []string{"ward", ada.ID}}},
		ForEach: schoolbell.ForEachStudent, Personal: []schoolbell.PersonData{{User: ada.ID, Data: json.RawMessage(`{"note": "zaphira likes it"}`)}}})
	do(err)
	testenv.Eventually(t, time.Minute, func() error {
		got, err := s.Client.Event(t.Context(), ev.ID)
		if err == nil && got.Status != schoolbell.EventCompleted {
			err = fmt.Errorf("it is %s", got.Status)
		}
		return err
	}, "the event is completed")
	_, err = s.Client.CreateCalendar(t.Context(), ada.ID)
	do(err)
	token, err := s.Client.CreateToken(t.Context(), ada.ID, 0)
	do(err)
	_, err = s.As(token.Token).ReadItem(t.Context(), ada.ID, ev.ID)
	do(err)
	number = s.Ledger.Count(`SELECT seq FROM users WHERE id = $1`, ada.ID)
	s.Ledger.Change(
		fmt.Sprintf(`INSERT INTO receipts (provider, id, event_id, wave, channel, user_seq, kind, at)
			SELECT 'p', 'receipt-1', id, 0, 2, %d, 'delivered', created_at FROM events`, number),
		fmt.Sprintf(`UPDATE deliveries SET reason = 'it said zaphira', provider_id = 'zaphira-4711' WHERE user_seq = %d AND channel = 2`, number))
	return number
}

func exportOf(t *testing.T, s *system.School, id string) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Client.ExportUser(t.Context(), id, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wantErased looks for anything that is left of ada.
func wantErased(t *testing.T, s *system.School, number int) {
	t.Helper()
	left := regexp.MustCompile(`(?i)zaphira|quill|900177|pt-BR|Lisbon|aunt`)
	for line := range strings.Lines(s.Ledger.Dump()) {
		where, value, _ := strings.Cut(strings.TrimPrefix(line, "ledger "), ": ")
		name, _, _ := strings.Cut(where, ".")
		if tables[name].erased == idStays {
			value = strings.ReplaceAll(value, ada.ID, "")
		}
		if where != "events.title" && left.MatchString(value) { // the school's own words
			t.Errorf("left in %s: %q", where, value)
		}
	}
	if n := s.Ledger.Count(`SELECT count(*) FROM users WHERE calendar_feed IS NOT NULL`); n != 0 {
		t.Errorf("%d calendar feeds are left", n)
	}
	for name, entry := range tables {
		if entry.erased != rowsGo {
			continue
		}
		if n := s.Ledger.Count(fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s = $1`, name, entry.person), number); n != 0 {
			t.Errorf("%d rows are left in %s", n, name)
		}
	}
	if n := s.Ledger.Count(`SELECT count(*) FROM guardianships WHERE student_seq = $1`, number); n != 0 {
		t.Errorf("%d guardians are left", n)
	}
	if n := s.Ledger.Count(`SELECT count(*) FROM concerned_students WHERE student_seq = $1`, number); n != 0 {
		t.Errorf("%d guardians are told about the person", n)
	}
	if n := s.Ledger.Count(`SELECT count(*) FROM deliveries WHERE user_seq = $1`, number); n != 2 {
		t.Errorf("%d deliveries are left, want 2", n)
	}
}
