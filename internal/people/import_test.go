package people_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/people"
	"schoolbell/internal/store/sqlite"
)

func newService(t testing.TB) (*people.Service, people.Store) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	store := sqlite.People{DB: db}
	return people.New(store, sqlite.School{DB: db}, slog.Default()), store
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines shows a report's errors as "line field".
func lines(r people.Report) (out []string) {
	for _, e := range r.Errors {
		out = append(out, strings.TrimSpace(fmt.Sprint(e.Line, " ", e.Field)))
	}
	return out
}

const header = "id,name,roles,groups,email\n"

func TestImport(t *testing.T) {
	t.Parallel()
	t.Run("each row is accepted or rejected on its own", testImportRows)
	t.Run("every column is imported", testImportColumns)
	t.Run("an invalid header ends the import", testImportHeader)
	t.Run("at most a hundred errors are listed", testImportManyErrors)
	t.Run("students may come long after their guardians", testImportLateStudents)
	t.Run("rows before a read error are kept", testImportReadError)
	t.Run("rows before a store error are kept", testImportStoreError)
	t.Run("an import stops at its limits", testImportLimits)
	t.Run("rows are read while others are stored", testImportAhead)
	t.Run("an import that is cancelled says so", testImportCancelled)
	t.Run("national phone numbers become international ones", testImportPhones)
}

func testImportRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		format   people.Format
		file     string
		imported int
		errors   []string // "line field"
	}{
		{"an empty NDJSON file", people.FormatNDJSON, "", 0, nil},
		{"a last line without a line break", people.FormatNDJSON, `{"id":"a","name":"A","roles":["parent"]}`, 1, nil},
		{"empty lines, white space and CRLF", people.FormatNDJSON, "\r\n  \n " + `{"id":"a","name":"A","roles":["parent"]}` + " \r\n\r\n", 1, nil},
		{"a byte order mark", people.FormatNDJSON, "\ufeff" + `{"id":"a","name":"A","roles":["parent"]}`, 1, nil},
		{"broken JSON", people.FormatNDJSON, `{"id":"a",` + "\n" + `{"id":"b","name":"B","roles":["parent"]}` + "\n", 1, []string{"1"}},
		{"two objects on a line", people.FormatNDJSON, `{"id":"a","name":"A","roles":["parent"]} {"id":"b"}`, 0, []string{"1"}},
		{"a list, a number and null", people.FormatNDJSON, "[]\n7\nnull\n", 0, []string{"1", "2", "3"}},
		{"an unknown field, in other letters", people.FormatNDJSON, `{"id":"a","Name":"A","roles":["parent"]}`, 0, []string{"1 Name"}},
		{"wrong types", people.FormatNDJSON, `{"id":1,"name":[],"roles":"parent"}`, 0, []string{"1 id", "1 name", "1 roles"}},
		{"no id", people.FormatNDJSON, `{"name":"A","roles":["parent"]}`, 0, []string{"1 id"}},
		{"bytes that are not UTF-8", people.FormatNDJSON, "{\"id\":\"a\",\"name\":\"\xff\",\"roles\":[\"parent\"]}", 0, []string{"1"}},
		{"an unknown role", people.FormatNDJSON, `{"id":"a","name":"A","roles":["parent","boss"]}`, 0, []string{"1 roles[1]"}},
		{"an unknown time zone", people.FormatNDJSON, `{"id":"a","name":"A","roles":["parent"],"timezone":"Mars/X"}`, 0, []string{"1 timezone"}},
		{"a line far too long, and one after it", people.FormatNDJSON, `{"id":"a","name":"` + strings.Repeat("x", 200_000) + `"}` + "\n" +
			`{"id":"b","name":"B","roles":["parent"]}`, 1, []string{"1"}},

		{"a CSV file with a header only", people.FormatCSV, header, 0, nil},
		{"a byte order mark before the header", people.FormatCSV, "\ufeff" + header + "a,A,parent,,\n", 1, nil},
		{"CRLF, empty lines, no last line break", people.FormatCSV, "ID , Name,ROLES\r\n\r\na,A,parent\r\n\r\nb,B,parent", 2, nil},
		{"lists by semicolon and bar", people.FormatCSV, header + "a,A,parent; teacher,5a|5b,\n", 1, nil},
		{"quoted values", people.FormatCSV, header + `"a","Doe, ""J"" Jane", "parent" ,"",` + "\n", 1, nil},
		{"a row too short and a row too long", people.FormatCSV, header + "a,A,parent\nb,B,parent,,,\nc,C,parent,,\n", 1, []string{"2", "3"}},
		{"a quote inside a value", people.FormatCSV, header + "a,The \"A\",parent,,\nb,B,parent,,\n", 1, []string{"2"}},
		{"text after a quote", people.FormatCSV, header + "a,\"A\"x,parent,,\nb,B,parent,,\n", 1, []string{"2"}},
		{"a line break in a name does not pass for a row", people.FormatCSV, header + "a,\"A\nevil,Eve,staff,,\n\",parent,,\nb,B,parent,,\n", 1, []string{"2 name"}},
		{"the same with a space before the quote", people.FormatCSV, header + "a, \"A\nevil,Eve,staff,,\n\",parent,,\nb,B,parent,,\n", 1, []string{"2 name"}},
		{"lines are counted through quotes", people.FormatCSV, header + "a,\"A\n\nB\",parent,,\nb,B,boss,,\n", 0, []string{"2 name", "5 roles[0]"}},
		{"a quote that is never closed ends the file", people.FormatCSV, header + "a,A,parent,,\nb,\"B,parent,,\nc,C,parent,,\n", 1, []string{"3"}},
		{"a record far too long, and one after it", people.FormatCSV, header + "a," + strings.Repeat("x", 200_000) + ",parent,,\nb,B,parent,,\n", 1, []string{"2"}},
		{"half a character as an escape", people.FormatNDJSON, `{"id":"a","name":"\ud83c","roles":["parent"]}`, 0, []string{"1"}},
		{"a domain that has no form in ASCII", people.FormatNDJSON, `{"id":"a","name":"A","roles":["parent"],"email":"a@ab\u05d0.example"}`, 0, []string{"1 email"}},
		{"a domain that encodes nothing", people.FormatCSV, "id,name,roles,email\na,A,parent,a@xn--0.example\nb,B,parent,b@xn--bcher-kva.example\n", 1, []string{"2 email"}},
		{"a name that nobody sees", people.FormatCSV, header + "a,\u200b,parent,,\n", 0, []string{"2 name"}},
		{"bytes that are not UTF-8, in CSV", people.FormatCSV, header + "a,\xff,parent,,\n", 0, []string{"2 name"}},
		{"an id twice, the first being wrong", people.FormatCSV, header + "a,,parent,,\na,A,parent,,\na,B,parent,,\n", 1, []string{"2 name", "4 id"}},
		{"a bad email address", people.FormatCSV, header + "a,A,parent,,a@b@c\n", 0, []string{"2 email"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newService(t)
			got, err := s.Import(t.Context(), iotest.OneByteReader(strings.NewReader(c.file)), c.format)
			must(t, err)
			if diff := cmp.Diff(c.errors, lines(got)); diff != "" || got.Imported != c.imported {
				t.Errorf("imported %d, want %d; errors %v: %s", got.Imported, c.imported, got.Errors, diff)
			}
			again, err := s.Import(t.Context(), strings.NewReader(c.file), c.format) // all of it at once
			must(t, err)
			got.Imported, got.Updated, got.Unchanged = 0, got.Imported, again.Unchanged // links to nobody are written and removed each time
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("the same file read at once: %s", diff)
			}
			users, err := s.Users(t.Context(), "", 100)
			must(t, err)
			if len(users) != c.imported {
				t.Errorf("%d users are there, want %d", len(users), c.imported)
			}
		})
	}
}

func testImportColumns(t *testing.T) {
	t.Parallel()
	want := &schoolbell.User{ID: "a", Name: `Doe, "J"`, Email: "a@example.org", Phone: "+442079460018", Roles: []schoolbell.Role{"parent", "teacher"},
		Groups: []string{"5a", "5b"}, Locale: "de", Timezone: "Europe/Berlin", GuardianOf: []string{"kid"},
		Addresses: []schoolbell.Address{
			{Channel: "email", Address: "a@example.org", State: "unverified"}, {Channel: "email", Address: "b@example.org", State: "unverified"},
			{Channel: "sms", Address: "+442079460018", State: "unverified"}, {Channel: "sms", Address: "+442079460019", State: "unverified"}}}
	kid := `{"id":"kid","name":"K","roles":["student"]}`
	inJSON, err := json.Marshal(want)
	must(t, err)
	for format, file := range map[people.Format]string{
		people.FormatNDJSON: string(inJSON) + "\n" + kid,
		people.FormatCSV: "guardian_of,timezone,locale,groups,roles,phone,email,name,id,addresses\n" +
			`kid,Europe/Berlin,de,5a;5b,parent|teacher,+44 20 7946 0018,a@example.org,"Doe, ""J""",a,email:b@example.org; sms:+44 20 7946 0019` +
			"\n,,,,student,,,K,kid,\n",
	} {
		s, _ := newService(t)
		report, err := s.Import(t.Context(), strings.NewReader(file), format)
		must(t, err)
		got, err := s.User(t.Context(), "a")
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" || len(report.Errors) > 0 {
			t.Errorf("%s: %v %s", format, report.Errors, diff)
		}
	}
}

func testImportHeader(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	for file, field := range map[string]string{
		"": "header", "id,name,colour\na,A,red\n": "colour", "name\nA\n": "id", "id,id\na,a\n": "id", "id;name;roles\n": "id;name;roles",
		"\xff\xfei\x00d\x00\n": "header", "\"id\n": "header",
	} {
		_, err := s.Import(t.Context(), strings.NewReader(file), people.FormatCSV)
		e, ok := errors.AsType[*schoolbell.Error](err)
		if !ok || e.Code != schoolbell.CodeInvalid || e.Field != field {
			t.Errorf("%q: %v, want invalid %s", file, err, field)
		}
	}
}

func testImportManyErrors(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	got, err := s.Import(t.Context(), strings.NewReader(strings.Repeat("{}\n", 700)), people.FormatNDJSON)
	must(t, err)
	if got.Rejected != 700 || len(got.Errors)+got.Omitted < 700 || len(got.Errors) > 100 {
		t.Errorf("rejected %d, listed %d, omitted %d", got.Rejected, len(got.Errors), got.Omitted)
	}
	got, err = s.Import(t.Context(), strings.NewReader(strings.Repeat("nonsense\n", 1700)), people.FormatNDJSON)
	must(t, err)
	if got.Rejected != 1700 || len(got.Errors) != 100 || got.Omitted != 1600 {
		t.Errorf("rejected %d, listed %d, omitted %d", got.Rejected, len(got.Errors), got.Omitted)
	}
}

// many writes n parents, each the guardian of a student on a later line.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":"p%d","name":"P","roles":["parent"],"guardian_of":["s%d","ghost%d"]}`+"\n", i, i, i)
	}
	for i := range n {
		fmt.Fprintf(&b, `{"id":"s%d","name":"S","roles":["student"]}`+"\n", i)
	}
	return b.String()
}

func testImportLateStudents(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	got, err := s.Import(t.Context(), strings.NewReader(many(800)), people.FormatNDJSON)
	must(t, err)
	if got.Imported != 1600 || got.Rejected != 0 || len(got.Errors) != 100 || got.Omitted != 700 || got.Errors[0].Line != 1 || got.Errors[99].Line != 100 {
		t.Errorf("imported %d, rejected %d, %d errors", got.Imported, got.Rejected, len(got.Errors))
	}
	p, err := s.User(t.Context(), "p799")
	must(t, err)
	if diff := cmp.Diff([]string{"s799"}, p.GuardianOf); diff != "" {
		t.Error(diff)
	}
}

func testImportReadError(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	file := many(800)
	broken := errors.New("the disk is gone")
	half := io.MultiReader(strings.NewReader(file[:strings.Index(file, `{"id":"p700"`)+20]), iotest.ErrReader(broken))
	got, err := s.Import(t.Context(), half, people.FormatNDJSON)
	if !errors.Is(err, broken) || got.Imported != 700 || got.Updated != 0 {
		t.Errorf("imported %d, %v", got.Imported, err)
	}
	p, err := s.User(t.Context(), "p0")
	must(t, err)
	if len(p.GuardianOf) > 0 {
		t.Errorf("p0 is a guardian of %v, who never came", p.GuardianOf)
	}
}

// failingStore fails at the second batch.
type failingStore struct {
	people.Store
	puts int
	err  error
}

func (f *failingStore) PutUsers(ctx context.Context, users []*schoolbell.User) ([]schoolbell.Change, error) {
	if f.puts++; f.puts > 1 {
		return nil, f.err
	}
	return f.Store.PutUsers(ctx, users)
}

func testImportStoreError(t *testing.T) {
	t.Parallel()
	_, store := newService(t)
	failing := &failingStore{Store: store, err: errors.New("disk full")}
	got, err := people.New(failing, noSchool{}, slog.Default()).Import(t.Context(), strings.NewReader(many(2_500)), people.FormatNDJSON)
	if !errors.Is(err, failing.err) || got.Imported < 500 || got.Imported > 2_000 {
		t.Errorf("imported %d, %v", got.Imported, err)
	}
	p, err := store.User(t.Context(), "p0")
	must(t, err)
	if len(p.GuardianOf) > 0 {
		t.Errorf("p0 is a guardian of %v, who never came", p.GuardianOf)
	}
}

// waitingStore calls wait before it stores the first batch.
type waitingStore struct {
	people.Store
	wait func()
	once sync.Once
}

func (w *waitingStore) PutUsers(ctx context.Context, users []*schoolbell.User) ([]schoolbell.Change, error) {
	w.once.Do(w.wait)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return w.Store.PutUsers(ctx, users)
}

func testImportAhead(t *testing.T) {
	t.Parallel()
	_, store := newService(t)
	read, more := make(chan struct{}), many(2_500)
	half := strings.Index(more, `{"id":"p2400"`)
	file := io.MultiReader(strings.NewReader(more[:half]), &onRead{func() { close(read) }}, strings.NewReader(more[half:]))
	waiting := &waitingStore{Store: store, wait: func() {
		select {
		case <-read:
		case <-time.After(time.Minute):
			t.Error("line 2,401 was not read while the first batch waited")
		}
	}}
	got, err := people.New(waiting, noSchool{}, slog.Default()).Import(t.Context(), file, people.FormatNDJSON)
	must(t, err)
	if got.Imported != 5_000 {
		t.Errorf("%+v", got)
	}
}

// onRead is an empty file that calls f when it is read.
type onRead struct{ f func() }

func (o *onRead) Read([]byte) (int, error) { o.f(); return 0, io.EOF }

func testImportCancelled(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{100, 2_500} { // in the last batch and before it
		ctx, cancel := context.WithCancel(t.Context())
		waiting := &waitingStore{Store: nowhere{}, wait: cancel}
		got, err := people.New(waiting, noSchool{}, slog.Default()).Import(ctx, strings.NewReader(many(rows)), people.FormatNDJSON)
		if !errors.Is(err, context.Canceled) || got.Imported+got.Updated > 0 {
			t.Errorf("%d rows: %+v, %v", 2*rows, got, err)
		}
	}
}

func testImportLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows, links, imported, most int
		word                        string
	}{
		"rows":  {1_000, 1 << 30, 1_000, 1_000, "rows"},
		"links": {1 << 30, 900, 500, 2_000, "put students before their guardians"}, // batches of 500 to 2,000 rows with two links each
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newService(t)
			s.LimitImports(c.rows, c.links)
			got, err := s.Import(t.Context(), strings.NewReader(many(1_100)), people.FormatNDJSON)
			if schoolbell.CodeOf(err) != schoolbell.CodeTooLarge || !strings.Contains(err.Error(), c.word) {
				t.Errorf("ended with %v", err)
			}
			if got.Imported < c.imported || got.Imported > c.most {
				t.Errorf("%d rows were imported, want %d to %d", got.Imported, c.imported, c.most)
			}
		})
	}
}

// noSchool knows the channels that every ledger has.
type noSchool struct{}

func (noSchool) Categories(context.Context) ([]schoolbell.CategoryInfo, error) { return nil, nil }
func (noSchool) Channels(context.Context) ([]schoolbell.Channel, error) {
	return schoolbell.Channels(), nil
}

// measuring is a file of rows that notes the live memory at its end, while the
// importer still holds all it keeps.
type measuring struct {
	rows, n int
	rest    []byte
	live    uint64
}

func (m *measuring) Read(b []byte) (int, error) {
	if len(m.rest) == 0 {
		if m.n == m.rows {
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			m.live = stats.HeapAlloc
			return 0, io.EOF
		}
		m.rest = fmt.Appendf(m.rest, `{"id":"a-person-with-a-rather-long-id-%d","name":"A","roles":["parent"]}`+"\n", m.n)
		m.n++
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

func TestImportMemory(t *testing.T) { // not parallel: it looks at the memory of the process
	live := func(rows int) uint64 {
		file := &measuring{rows: rows}
		got, err := people.New(nowhere{}, noSchool{}, slog.Default()).Import(t.Context(), file, people.FormatNDJSON)
		must(t, err)
		if got.Imported+got.Updated != rows {
			t.Fatalf("%+v", got)
		}
		return file.live
	}
	const rows = 200_000
	few, many := live(1_000), live(rows)
	if each := (int64(many) - int64(few)) / rows; each > 60 {
		t.Errorf("%d bytes are kept of each row", each)
	}
}

// nowhere takes users and keeps none.
type nowhere struct{ people.Store }

func (nowhere) PutUsers(_ context.Context, users []*schoolbell.User) ([]schoolbell.Change, error) {
	return make([]schoolbell.Change, len(users)), nil
}
func (nowhere) UnknownUsers(_ context.Context, ids []string) ([]string, error) { return ids, nil }
func (nowhere) DropGuardianships(context.Context, []string) error              { return nil }

func testImportPhones(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	service := people.New(sqlite.People{DB: db}, sqlite.School{DB: db}, slog.Default(), people.InRegion("GB"))
	report, err := service.Import(t.Context(), strings.NewReader("id,name,roles,phone,addresses\n"+
		"a,A,parent,020 7946 0018,sms:07400 123456;email:a@example.org\n"+
		"b,B,parent,+31612345678,\n"+
		"c,C,parent,12345,\n"), people.FormatCSV)
	must(t, err)
	if diff := cmp.Diff([]string{"4 phone"}, lines(report)); diff != "" || report.Imported != 2 {
		t.Errorf("%+v", report)
	}
	for id, want := range map[string][]string{"a": {"+442079460018", "+447400123456", "a@example.org"}, "b": {"+31612345678"}} {
		u, err := service.User(t.Context(), id)
		must(t, err)
		var got []string
		for _, a := range u.Addresses {
			got = append(got, a.Address)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("addresses of %s (-want +got):\n%s", id, diff)
		}
	}
	u := &schoolbell.User{ID: "d", Name: "D", Roles: []schoolbell.Role{"parent"}, Phone: "0031 6 12345678"}
	if _, err := service.Put(t.Context(), u); err != nil || u.Phone != "+31612345678" {
		t.Errorf("put %q: %v", u.Phone, err)
	}
}
