package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var previews = []promise{
	{"Preview finds what FanOut creates in random schools", previewRandom},
	{"Preview finds each form of audience", previewAudiences},
	{"Preview gives the event as it would be stored", previewEvent},
	{"Preview refuses the names that CreateEvent refuses", previewRefused},
	{"Preview ends with the error of its visitor", previewEnded},
	{"Preview lets others write between its chunks", previewWrites},
	{"Waiting counts what will be sent in a lane", previewWaiting},
}

// previewed collects what a preview finds.
type previewed struct {
	event  *schoolbell.Event
	chunks []ledger.PreviewChunk
	each   func() error // after each chunk; nil for nothing
}

func (p *previewed) Begin(ev *schoolbell.Event) error {
	p.event = ev
	return nil
}

func (p *previewed) Visit(chunk ledger.PreviewChunk) error {
	p.chunks = append(p.chunks, chunk)
	if p.each == nil {
		return nil
	}
	return p.each()
}

// rows returns the deliveries that were found, sorted.
func (p *previewed) rows() (rows []string) {
	for _, c := range p.chunks {
		for _, g := range c.Groups {
			for _, i := range g.People {
				rows = append(rows, fmt.Sprint(g.Channel, " ", c.People[i].UserID, " ", g.Status, " ", g.Reason))
			}
		}
	}
	slices.Sort(rows)
	return rows
}

// preview previews an event in chunks of so many people.
func (s *testStore) preview(ev *schoolbell.Event, users int) *previewed {
	s.t.Helper()
	p := &previewed{}
	s.must(s.Previews.Preview(s.ctx(), ev, nil, users, p))
	for _, c := range p.chunks {
		if n := len(c.People); n == 0 || n > users || !slices.IsSortedFunc(c.People, func(a, b ledger.Recipient) int { return cmp.Compare(a.Seq, b.Seq) }) {
			s.t.Errorf("a chunk has %d people of %d, or not in order", n, users)
		}
	}
	return p
}

// inserted returns the deliveries of an event as previewed.rows does.
func (s *testStore) inserted(id string) (rows []string) {
	s.t.Helper()
	for _, d := range s.rows(id, schoolbell.DeliveryFilter{}) {
		rows = append(rows, fmt.Sprint(d.Channel, " ", d.UserID, " ", d.Status, " ", d.Reason))
	}
	slices.Sort(rows)
	return rows
}

func previewRandom(t *testing.T, open func() *store.Ledger) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	s := newTestStore(t, open())
	s.randomSchool(r, 120)
	for range 40 {
		ev := randomEvent(r, 120)
		found := s.preview(ev, 1+r.IntN(150))
		id := s.create(ev)
		s.walk(id, 1+r.IntN(150), 1+r.IntN(20))
		if same(t, fmt.Sprintf("deliveries of %+v, category %s, channels %v", ev.Audience, ev.Category, ev.Channels), found.rows(), s.inserted(id)); t.Failed() {
			t.Fatalf("the seed was %d", seed)
		}
	}
}

// randomSchool makes n people in classes and other groups, with and without addresses, some of which are bad, who want less than
// everything.
func (s *testStore) randomSchool(r *rand.Rand, n int) {
	s.t.Helper()
	for i := range 4 {
		g := schoolbell.Group{ID: fmt.Sprintf("class%d", i), Name: "Class", Kind: schoolbell.GroupClass}
		if i > 0 && r.IntN(2) == 0 {
			g.Parent = fmt.Sprintf("class%d", r.IntN(i))
		}
		_, err := s.People.PutGroup(s.ctx(), &g)
		s.must(err)
	}
	s.people(n, func(i int, u *schoolbell.User) {
		u.Roles = []schoolbell.Role{schoolbell.Roles()[r.IntN(4)]}
		u.Groups = []string{fmt.Sprintf("class%d", r.IntN(4))}
		u.Locale = []string{"", "en", "es-MX", "ar"}[r.IntN(4)]
		if r.IntN(3) == 0 {
			u.Phone = fmt.Sprintf("+4420794600%02d", i%100)
		}
		if r.IntN(4) == 0 {
			u.Email = ""
		}
		if i > 20 && u.Roles[0] == schoolbell.RoleParent {
			u.GuardianOf = []string{userID(r.IntN(20))}
		}
	})
	for i := range n / 3 {
		user, category := userID(r.IntN(n)), schoolbell.BuiltInCategories()[r.IntN(3)].ID
		s.optOut(user, category, []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelSMS}[r.IntN(2)])
		if i%3 == 0 {
			_, err := s.Suppressions.Suppress(s.ctx(), schoolbell.ChannelEmail, userID(r.IntN(n))+"@example.org", "asked for it")
			if schoolbell.CodeOf(err) != schoolbell.CodeNotFound {
				s.must(err)
			}
		}
	}
}

// randomEvent returns an event to some people of a random school.
func randomEvent(r *rand.Rand, n int) *schoolbell.Event {
	someUsers := func() (ids []string) {
		for range r.IntN(30) {
			ids = append(ids, userID(r.IntN(n)))
		}
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	some := func() schoolbell.Selector {
		var s schoolbell.Selector
		if r.IntN(2) == 0 {
			s.Roles = schoolbell.Roles()[:1+r.IntN(2)]
		}
		if r.IntN(3) == 0 {
			s.Groups = []string{fmt.Sprintf("class%d", r.IntN(4))}
		}
		if r.IntN(3) > 0 {
			s.Users = someUsers()
		}
		return s
	}
	a := schoolbell.Audience{Selector: some()}
	if r.IntN(3) == 0 {
		a.GuardiansOf = ptr(some())
	}
	if r.IntN(3) == 0 {
		a.Exclude = ptr(some())
	}
	channels := schoolbell.Channels()
	r.Shuffle(len(channels), func(i, j int) { channels[i], channels[j] = channels[j], channels[i] })
	ev := newEvent(a, channels[:1+r.IntN(len(channels))]...)
	ev.Category = schoolbell.BuiltInCategories()[r.IntN(6)].ID
	return ev
}

func previewAudiences(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.staffed()
	for _, c := range audienceCases {
		var got []string
		for _, chunk := range s.preview(newEvent(c.audience), 2).chunks {
			for _, p := range chunk.People {
				got = append(got, p.UserID)
			}
		}
		slices.Sort(got)
		same(t, c.name, got, c.want)
	}
	chunk := s.preview(newEvent(schoolbell.Audience{Selector: sel(users("s5"))}), 10).chunks[0]
	chunk.People[0].Seq = 0
	same(t, "what is known of a person", chunk.People[0], ledger.Recipient{UserID: "s5", Name: "Name of s5", Locale: "en", Timezone: "UTC"})
}

func previewEvent(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	ev := newEvent(toStudents())
	ev.Category, ev.Channels = schoolbell.CategoryUrgent, nil
	p := &previewed{}
	setUp := []schoolbell.Channel{schoolbell.ChannelEmail}
	s.must(s.Previews.Preview(s.ctx(), ev, setUp, 10, p))
	stored, _, err := s.Events.CreateEvent(s.ctx(), ev, setUp, ledger.Idempotency{})
	s.must(err)
	same(t, "the event", p.event, stored)
	same(t, "its lane", p.event.Lane, schoolbell.LaneUrgent)
}

func previewRefused(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(1)
	unknown := newEvent(schoolbell.Audience{Selector: sel(users(userID(0), "nobody"), inGroups("nowhere")), Exclude: ptr(sel(users("nobody")))}, "pigeon")
	category, silent := newEvent(toStudents()), newEvent(toStudents())
	category.Category, silent.Channels = "unknown", nil
	for _, ev := range []*schoolbell.Event{unknown, category, silent} {
		p := &previewed{}
		err := s.Previews.Preview(s.ctx(), ev, nil, 10, p)
		_, _, want := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
		if p.event != nil || err == nil || want == nil || err.Error() != want.Error() {
			t.Errorf("got %v, want %v", err, want)
		}
		wantCode(t, err, schoolbell.CodeInvalid)
	}
}

func previewEnded(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(5)
	enough := errors.New("enough")
	p := &previewed{each: func() error { return enough }}
	if err := s.Previews.Preview(s.ctx(), newEvent(toStudents()), nil, 2, p); !errors.Is(err, enough) || len(p.chunks) != 1 {
		t.Errorf("%v after %d chunks", err, len(p.chunks))
	}
	ids := map[string]bool{}
	for _, c := range s.preview(newEvent(toStudents()), 2).chunks {
		for _, person := range c.People {
			ids[person.UserID] = true
		}
	}
	same(t, "people of the next preview", len(ids), 5)
}

func previewWrites(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(20)
	var events []string
	p := &previewed{each: func() error {
		id := s.create(newEvent(toStudents()))
		s.walk(id, 100, 10)
		events = append(events, id)
		return nil
	}}
	s.must(s.Previews.Preview(s.ctx(), newEvent(toStudents()), nil, 4, p))
	same(t, "chunks", len(p.chunks), 5)
	for _, id := range events {
		same(t, "people of an event", len(s.reached(id, schoolbell.ChannelInApp)), 20)
	}
	page, err := s.Reports.Events(s.ctx(), schoolbell.EventFilter{}, "", 100)
	s.must(err)
	same(t, "events", len(page), len(events))
}

func previewWaiting(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(20)
	waiting := func(lane schoolbell.Lane) map[schoolbell.Channel]int {
		found, err := s.Previews.Waiting(s.ctx(), lane)
		s.must(err)
		return found
	}
	same(t, "at first", waiting(normal), map[schoolbell.Channel]int{})
	a := newEvent(toStudents())
	batches, _ := s.walk(s.create(a), 100, 5)
	b := newEvent(toStudents(), schoolbell.ChannelEmail)
	b.Category = schoolbell.CategoryUrgent
	s.walk(s.create(b), 100, 5)
	s.create(newEvent(toStudents())) // not walked yet
	same(t, "normal", waiting(normal), map[schoolbell.Channel]int{schoolbell.ChannelEmail: 20})
	same(t, "urgent", waiting(urgent), map[schoolbell.Channel]int{schoolbell.ChannelEmail: 20})
	s.deliver(s.lease(), batches[0], schoolbell.DeliverySent)
	same(t, "after a batch", waiting(normal), map[schoolbell.Channel]int{schoolbell.ChannelEmail: 15})
	_, err := s.Events.CancelEvent(s.ctx(), a.ID)
	s.must(err)
	same(t, "after the event was cancelled", waiting(normal), map[schoolbell.Channel]int{})
}
