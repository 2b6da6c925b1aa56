package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/api"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

func TestExport(t *testing.T) {
	t.Parallel()
	t.Run("everything of a user is in one document", testExportAll)
	t.Run("lists longer than a page are complete", testExportPages)
	t.Run("a list that cannot be read ends the connection", testExportBroken)
}

// exported exports a user and decodes the document.
func (s *server) exported(id string) wire.UserExport {
	s.t.Helper()
	var b bytes.Buffer
	must(s.t, s.ExportUser(s.t.Context(), id, &b))
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	var out wire.UserExport
	must(s.t, dec.Decode(&out))
	return out
}

func testExportAll(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("kid", schoolbell.RoleStudent)
	_, _, err := s.PutUser(t.Context(), schoolbell.User{ID: "ada", Name: "Ada", Email: "ada@example.org", Roles: []schoolbell.Role{"parent"},
		Groups: []string{"5b"}, GuardianOf: []string{"kid"}})
	must(t, err)
	s.user("bob")
	_, err = s.PutPreferences(t.Context(), "ada", schoolbell.Preference{Category: "digest", Channel: "email", Mode: schoolbell.ModeOff})
	must(t, err)
	s.notice("For both", "ada", "bob")
	s.notice("For Bob", "bob")
	ev := s.notice("For Ada", "ada")
	_, err = s.as(s.token("ada")).ReadItem(t.Context(), "ada", ev.ID)
	must(t, err)
	person, err := s.ledger.Exports.Person(t.Context(), "ada")
	must(t, err)
	_, err = s.ledger.Receipts.RecordReceipts(t.Context(), []schoolbell.Receipt{
		{Provider: "p", ID: "1", EventID: ev.ID, Channel: "in_app", User: person.Number, Kind: schoolbell.ReceiptDelivered, At: time.Now()},
		{Provider: "p", ID: "2", EventID: ev.ID, Channel: "in_app", User: person.Number + 1, Kind: schoolbell.ReceiptDelivered, At: time.Now()}})
	must(t, err)

	got := s.exported("ada")
	if got.User.Name != "Ada" || got.User.Email != "ada@example.org" || fmt.Sprint(got.User.GuardianOf, got.User.Groups) != "[kid] [5b]" || got.CreatedAt.IsZero() {
		t.Errorf("user %+v", got.User)
	}
	if len(got.Preferences) != 1 || len(got.Inbox) != 2 || got.Inbox[0].Title != "For Ada" || got.Inbox[0].ReadAt.IsZero() {
		t.Errorf("preferences %+v, inbox %+v", got.Preferences, got.Inbox)
	}
	if len(got.Deliveries) != 2 || got.Deliveries[1].EventID != ev.ID || got.Deliveries[1].Outcome != schoolbell.OutcomeRead || got.Deliveries[1].UserID != "ada" {
		t.Errorf("deliveries %+v", got.Deliveries)
	}
	if len(got.Receipts) != 1 || got.Receipts[0].ID != "1" || got.Receipts[0].Channel != "in_app" {
		t.Errorf("receipts %+v", got.Receipts)
	}
	actions := map[string]int{}
	for _, e := range got.Audit {
		actions[e.Action]++
	}
	want := map[string]int{"inbox.read": 1, "user.put": 1, "user.put_preferences": 1, "user.create_token": 1, "user.export": 1}
	if fmt.Sprint(actions) != fmt.Sprint(want) {
		t.Errorf("audit has %v, want %v", actions, want)
	}
	if kid := s.exported("kid"); fmt.Sprint(kid.Guardians) != "[ada]" || kid.Inbox == nil || kid.Receipts == nil {
		t.Errorf("the student's document: %+v", kid)
	}
	wantProblem(t, s.ExportUser(t.Context(), "nobody", &bytes.Buffer{}), 404, "not_found", "")
	wantProblem(t, s.as(s.keys[schoolbell.ScopeSend]).ExportUser(t.Context(), "ada", &bytes.Buffer{}), 403, "forbidden", "")
	wantProblem(t, s.as(s.token("ada")).ExportUser(t.Context(), "ada", &bytes.Buffer{}), 403, "forbidden", "")
	page, err := s.Audit(t.Context(), schoolbell.AuditFilter{Action: "user.export"}, client.Page{})
	must(t, err)
	if len(page.Items) != 2 || page.Items[1].Target.ID != "ada" {
		t.Errorf("exports in the audit: %+v", page.Items)
	}
}

func testExportPages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("ada")
	const n = 1_010
	var rs []schoolbell.Receipt
	for i := range n {
		ev := &schoolbell.Event{ID: fmt.Sprintf("e%04d", i), Title: "T", Body: "B", Category: "announcement", Status: schoolbell.EventQueued, CreatedAt: time.Now(),
			Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"ada"}}}, Channels: []schoolbell.Channel{"in_app"}}
		_, _, err := s.ledger.Events.CreateEvent(t.Context(), ev, nil, ledger.Idempotency{})
		must(t, err)
		s.fanOut(ev.ID)
		rs = append(rs, schoolbell.Receipt{Provider: "p", ID: ev.ID, EventID: ev.ID, Channel: "in_app", User: 1, Kind: schoolbell.ReceiptDelivered, At: time.Now()})
	}
	_, err := s.ledger.Receipts.RecordReceipts(t.Context(), rs)
	must(t, err)
	got := s.exported("ada")
	if len(got.Inbox) != n || len(got.Deliveries) != n || len(got.Receipts) != n {
		t.Fatalf("%d items, %d deliveries, %d receipts", len(got.Inbox), len(got.Deliveries), len(got.Receipts))
	}
	for i := range n {
		id := fmt.Sprintf("e%04d", i)
		if got.Deliveries[i].EventID != id || got.Inbox[n-1-i].EventID != id || got.Receipts[i].ID != id {
			t.Fatalf("row %d: %s, %s, %s", i, got.Deliveries[i].EventID, got.Inbox[n-1-i].EventID, got.Receipts[i].ID)
		}
	}
}

// brokenExports cannot read receipts.
type brokenExports struct{ ledger.Exports }

func (brokenExports) ReceiptsOf(context.Context, int64, ledger.ReceiptCursor, int) ([]schoolbell.Receipt, error) {
	return nil, errors.New(secretText)
}

func testExportBroken(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *api.Config) { c.Exports = brokenExports{c.Exports} })
	s.user("ada")
	var b bytes.Buffer
	err := s.ExportUser(t.Context(), "ada", &b)
	if err == nil || json.Valid(b.Bytes()) || bytes.Contains(b.Bytes(), []byte("hunter2")) {
		t.Errorf("error %v, document %q", err, b.String())
	}
}
