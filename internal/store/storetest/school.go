package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

// testStore is a store with what tests do to it. Its methods end the test when they fail.
type testStore struct {
	revision int  // of the events that workers know
	shared   bool // workers ask for shared addresses
	*store.Ledger
	t testing.TB
}

func newTestStore(t testing.TB, s *store.Ledger) *testStore { return &testStore{Ledger: s, t: t} }

func (s *testStore) ctx() context.Context { return s.t.Context() }

func (s *testStore) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// person returns a valid user with an email address.
func person(id string, roles ...schoolbell.Role) *schoolbell.User {
	if len(roles) == 0 {
		roles = []schoolbell.Role{schoolbell.RoleStudent}
	}
	return &schoolbell.User{ID: id, Name: "Name of " + id, Email: id + "@example.org", Roles: roles, Locale: "en", Timezone: "UTC"}
}

// stored returns u as the ledger shows it: with its addresses, in order of the channels.
func stored(u *schoolbell.User, more ...schoolbell.Address) *schoolbell.User {
	out := *u
	for _, a := range []schoolbell.Address{{Channel: schoolbell.ChannelEmail, Address: u.Email}, {Channel: schoolbell.ChannelSMS, Address: u.Phone}} {
		if a.Address != "" {
			a.State = schoolbell.AddressUnverified
			more = append(more, a)
		}
	}
	out.Addresses = more
	return &out
}

// userID names the i-th user of people.
func userID(i int) string { return fmt.Sprintf("u%05d", i) }

// people puts n users, each as change made it, and returns their ids.
func (s *testStore) people(n int, change ...func(i int, u *schoolbell.User)) []string {
	s.t.Helper()
	ids, users := make([]string, n), make([]*schoolbell.User, n)
	for i := range n {
		users[i] = person(userID(i))
		for _, f := range change {
			f(i, users[i])
		}
		ids[i] = users[i].ID
	}
	_, err := s.People.PutUsers(s.ctx(), users)
	s.must(err)
	return ids
}

func (s *testStore) put(users ...*schoolbell.User) {
	s.t.Helper()
	for _, u := range users {
		_, err := s.People.PutUser(s.ctx(), u)
		s.must(err)
	}
}

// toStudents is the audience of most tests.
func toStudents() schoolbell.Audience {
	return schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleStudent}}}
}

func newEvent(a schoolbell.Audience, channels ...schoolbell.Channel) *schoolbell.Event {
	if len(channels) == 0 {
		channels = []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail}
	}
	return &schoolbell.Event{
		ID: uuid.Must(uuid.NewV7()).String(), Title: "Sports day", Body: "It moved to Friday.",
		Category: schoolbell.CategoryAnnouncement, Audience: a, Channels: channels,
		Status: schoolbell.EventQueued, CreatedAt: schoolbell.Time(time.Now()),
	}
}

// create stores an event and returns its id.
func (s *testStore) create(ev *schoolbell.Event) string {
	s.t.Helper()
	_, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
	s.must(err)
	return ev.ID
}

// zeroth names wave 0 of an event: the event itself.
func zeroth(id string) ledger.WaveRef { return ledger.WaveRef{EventID: id} }

// walk fans the event out to its end.
func (s *testStore) walk(id string, users, batchSize int) (batches []ledger.Batch, people int) {
	s.t.Helper()
	for {
		step, err := s.FanOuts.FanOut(s.ctx(), zeroth(id), users, batchSize)
		s.must(err)
		batches, people = append(batches, step.Batches...), people+step.Users
		if step.Done {
			return batches, people
		}
	}
}

// sent puts n students, and an event to them by email, walked into batches of size.
func (s *testStore) sent(n, size int) (id string, batches []ledger.Batch) {
	s.t.Helper()
	s.people(n)
	id = s.create(newEvent(toStudents(), schoolbell.ChannelEmail))
	batches, _ = s.walk(id, max(n, 1), size)
	return id, batches
}

func (s *testStore) lease() ledger.Lease {
	s.t.Helper()
	l, err := s.Leases.OpenLease(s.ctx(), s.t.Name(), time.Hour)
	s.must(err)
	return l
}

// kill ends a lease as if its time had passed.
func (s *testStore) kill(l ledger.Lease) {
	s.t.Helper()
	s.must(s.Leases.RenewLease(s.ctx(), l, 0))
}

func (s *testStore) advance(l ledger.Lease, b ledger.Batch, attempts []ledger.Attempt, claim int) ledger.Grant {
	s.t.Helper()
	g, err := s.tryAdvance(s.ctx(), l, b, attempts, claim)
	s.must(err)
	return g
}

// tryAdvance is Deliveries.Advance with one step.
func (s *testStore) tryAdvance(ctx context.Context, l ledger.Lease, b ledger.Batch, attempts []ledger.Attempt, claim int) (ledger.Grant, error) {
	grants, err := s.Deliveries.Advance(ctx, []ledger.Step{{Lease: l, Batch: b, Attempts: attempts, Claim: claim, Revision: s.revision, Shared: s.shared}})
	if err != nil {
		return ledger.Grant{}, err
	}
	return grants[0], grants[0].Err
}

// attempts returns one attempt of the given status for every recipient.
func attempts(rs []ledger.Recipient, status schoolbell.DeliveryStatus) []ledger.Attempt {
	out := make([]ledger.Attempt, len(rs))
	for i, r := range rs {
		out[i] = ledger.Attempt{Seq: r.Seq, Status: status, Spent: r.Attempts + 1}
	}
	return out
}

// deliver works the batch until nothing can be claimed, with the given outcome for all, and returns the last grant.
func (s *testStore) deliver(l ledger.Lease, b ledger.Batch, status schoolbell.DeliveryStatus) ledger.Grant {
	s.t.Helper()
	var done []ledger.Attempt
	for {
		g := s.advance(l, b, done, 20)
		if g.Lost != 0 {
			s.t.Fatalf("%d attempts lost", g.Lost)
		}
		if len(g.Recipients) == 0 {
			return g
		}
		done = attempts(g.Recipients, status)
	}
}

// rows returns every delivery of the event, read page by page.
func (s *testStore) rows(id string, f schoolbell.DeliveryFilter) []schoolbell.Delivery {
	s.t.Helper()
	var all []schoolbell.Delivery
	var at ledger.DeliveryCursor
	for {
		page, next, err := s.Reports.Deliveries(s.ctx(), id, f, at, 7)
		s.must(err)
		all, at = append(all, page...), next
		if len(page) < 7 {
			return all
		}
	}
}

// status returns the rows of one channel as user id and status.
func (s *testStore) status(id string, c schoolbell.Channel) map[string]schoolbell.DeliveryStatus {
	s.t.Helper()
	out := map[string]schoolbell.DeliveryStatus{}
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{Channel: c}) {
		if _, twice := out[d.UserID]; twice {
			s.t.Fatalf("%s has two %s deliveries", d.UserID, c)
		}
		out[d.UserID] = d.Status
	}
	return out
}

// tally counts the rows of one channel by status.
func (s *testStore) tally(id string, c schoolbell.Channel) map[schoolbell.DeliveryStatus]int {
	s.t.Helper()
	out := map[schoolbell.DeliveryStatus]int{}
	for _, st := range s.status(id, c) {
		out[st]++
	}
	return out
}

// reached returns who has a delivery on the channel, sorted.
func (s *testStore) reached(id string, c schoolbell.Channel) []string {
	s.t.Helper()
	var ids []string
	for user := range s.status(id, c) {
		ids = append(ids, user)
	}
	slices.Sort(ids)
	return ids
}

// inbox returns the ids of the events in a user's inbox, newest first.
func (s *testStore) inbox(user string) []string {
	s.t.Helper()
	items, _, err := s.Inboxes.Inbox(s.ctx(), user, 0, 1_000)
	s.must(err)
	ids := make([]string, len(items))
	for i, it := range items {
		ids[i] = it.EventID
	}
	return ids
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func wantCode(t testing.TB, err error, code schoolbell.Code) {
	t.Helper()
	if got := schoolbell.CodeOf(err); got != code {
		t.Errorf("error %v has code %q, want %q", err, got, code)
	}
}

// wantFields checks that err blames exactly these input fields.
func wantFields(t testing.TB, err error, fields ...string) {
	t.Helper()
	var got []string
	if faults, ok := errors.AsType[schoolbell.Faults](err); ok {
		for _, f := range faults {
			got = append(got, f.Field)
		}
	} else if e, ok := errors.AsType[*schoolbell.Error](err); ok {
		got = []string{e.Field}
	}
	wantCode(t, err, schoolbell.CodeInvalid)
	same(t, "blamed fields", got, fields)
}
