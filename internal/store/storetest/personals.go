package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var personals = []promise{
	{"CreateEvent stores personal data and whom messages are about", personalRoundTrip},
	{"CreateEvent names unknown people of personal data", personalUnknown},
	{"Personal tells each guardian about their own students", personalStudents},
	{"Personal leaves out people who were erased, and their data", personalErased},
	{"A further wave is about the same students", personalWave},
	{"Preview tells what Personal tells once the event is stored", personalPreview},
	{"Previews tell what a stored event says before the fan-out", personalStored},
	{"Remove deletes personal data with its event, in pieces", personalRemoved},
	{"PersonalOf pages through what events say of one person", personalExport},
}

// family puts three students in class 5b, one in 6a, and their guardians: mum has two students in 5b and one in 6a, dad one in 5b.
func (s *testStore) family() {
	s.t.Helper()
	for _, g := range []string{"5b", "6a"} {
		_, err := s.People.PutGroup(s.ctx(), &schoolbell.Group{ID: g, Name: g, Kind: schoolbell.GroupClass})
		s.must(err)
	}
	for id, class := range map[string]string{"ada": "5b", "ben": "5b", "cleo": "5b", "dina": "6a"} {
		u := person(id)
		u.Groups = []string{class}
		s.put(u)
	}
	mum, dad := person("mum", schoolbell.RoleParent), person("dad", schoolbell.RoleParent)
	mum.GuardianOf, dad.GuardianOf = []string{"dina", "ben", "ada"}, []string{"cleo"}
	s.put(mum, dad, person("head", schoolbell.RoleStaff))
}

// absence is an event to the guardians of 5b, and to the head.
func absence(data ...string) *schoolbell.Event {
	ev := newEvent(schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"head"}}, GuardiansOf: &schoolbell.Selector{Groups: []string{"5b"}}},
		schoolbell.ChannelEmail)
	ev.ForEach = schoolbell.ForEachStudent
	for i := 0; i < len(data); i += 2 {
		ev.Personal = append(ev.Personal, schoolbell.PersonData{User: data[i], Data: json.RawMessage(data[i+1])})
	}
	return ev
}

// texts returns what the messages of an event do not share, by the id of the recipient: with names, which the ledger leaves out.
func (s *testStore) texts(id string, batches []ledger.Batch) map[string]*schoolbell.PersonalText {
	s.t.Helper()
	all := map[string]*schoolbell.PersonalText{}
	for _, b := range batches {
		rows := s.advance(s.lease(), b, nil, 50).Recipients
		users := make([]int64, len(rows))
		for i, r := range rows {
			users[i] = r.Seq
		}
		found, err := s.Deliveries.Personal(s.ctx(), s.event(id), users)
		s.must(err)
		for _, r := range rows {
			all[r.UserID] = &schoolbell.PersonalText{Name: r.Name}
			if text := found[r.Seq]; text != nil {
				all[r.UserID].Data, all[r.UserID].Students = text.Data, text.Students
			}
		}
	}
	return all
}

func personalRoundTrip(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	for _, many := range []bool{false, true} {
		ev := absence("ada", `{"reason": "ill \u003c \"x\" 🎒", "lesson": 3.50, "paid": false}`, "head", `{}`)
		stored, err := s.createAs(ev, many)
		s.must(err)
		ev.Lane, ev.Personal, ev.PersonalCount = schoolbell.LaneNormal, nil, 2
		same(t, "stored event", stored, ev)
		same(t, "event read again", s.event(ev.ID), ev)
		batches, _ := s.walk(ev.ID, 10, 10)
		texts := s.texts(ev.ID, batches)
		same(t, "data", texts["mum"].Students[0].Data, map[string]string{"reason": `ill < "x" 🎒`, "lesson": "3.50"})
		same(t, "no values", len(texts["head"].Data), 0)
	}
}

func personalUnknown(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	s.must(s.People.DeleteUser(s.ctx(), "cleo"))
	for _, many := range []bool{false, true} {
		ev := absence("ada", `{"a": 1}`, "nobody", `{"a": 1}`, "cleo", `{"a": 1}`)
		ev.Audience.Users = []string{"no-one"}
		_, err := s.createAs(ev, many)
		wantFields(t, err, "audience.users[0]", "personal[1].user", "personal[2].user")
		_, err = s.Events.Event(s.ctx(), ev.ID)
		wantCode(t, err, schoolbell.CodeNotFound)
	}
	_, err := s.createAs(absence("ada", `{"a": 1}`), false)
	s.must(err)
}

func personalStudents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	id := s.create(absence("ada", `{"reason": "ill"}`, "cleo", `{"reason": "late"}`, "dina", `{"reason": "not told"}`, "mum", `{"room": "7"}`))
	batches, people := s.walk(id, 1, 10) // chunk by chunk
	same(t, "people", people, 3)
	same(t, "texts", s.texts(id, batches), map[string]*schoolbell.PersonalText{
		"mum": {Name: "Name of mum", Data: map[string]string{"room": "7"}, Students: []schoolbell.Student{
			{ID: "ada", Name: "Name of ada", Data: map[string]string{"reason": "ill"}}, {ID: "ben", Name: "Name of ben"}}},
		"dad":  {Name: "Name of dad", Students: []schoolbell.Student{{ID: "cleo", Name: "Name of cleo", Data: map[string]string{"reason": "late"}}}},
		"head": {Name: "Name of head"},
	})
	plain := absence("mum", `{"room": "8"}`)
	plain.ForEach = ""
	batches, _ = s.walk(s.create(plain), 10, 10)
	texts := s.texts(plain.ID, batches)
	same(t, "without for_each", texts["mum"], &schoolbell.PersonalText{Name: "Name of mum", Data: map[string]string{"room": "8"}})
	late := absence()
	late.ExpiresAt = schoolbell.Time(time.Now().Add(-time.Hour))
	s.walk(s.create(late), 10, 10)
	p, err := s.Exports.Person(s.ctx(), "mum")
	s.must(err)
	found, err := s.Deliveries.Personal(s.ctx(), s.event(late.ID), []int64{p.Number})
	s.must(err)
	same(t, "what an event that has expired says", len(found), 0)
}

func personalErased(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	id := s.create(absence("ada", `{"reason": "ill"}`, "dad", `{"room": "7"}`))
	batches, _ := s.walk(id, 10, 10)
	s.must(s.People.DeleteUser(s.ctx(), "ada"))
	s.must(s.People.DeleteUser(s.ctx(), "dad"))
	s.put(person("ada"))
	texts := s.texts(id, batches)
	same(t, "students of mum", texts["mum"].Students, []schoolbell.Student{{ID: "ben", Name: "Name of ben"}})
	if _, ok := texts["dad"]; ok {
		t.Error("dad is claimed")
	}
}

func personalWave(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	id := s.create(absence("ada", `{"reason": "ill"}`))
	s.walk(id, 10, 10)
	mum := person("mum", schoolbell.RoleParent)
	mum.GuardianOf = []string{"cleo"}
	s.put(mum) // since then
	batches, _ := s.walkWave(s.wave(id, toEmail()))
	same(t, "students of mum", len(s.texts(id, batches)["mum"].Students), 2)
}

func personalPreview(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	for _, forEach := range []schoolbell.ForEach{"", schoolbell.ForEachStudent} {
		ev := absence("ada", `{"reason": "ill"}`, "head", `{"room": "7"}`)
		ev.ForEach = forEach
		found := map[string]*schoolbell.PersonalText{}
		for _, c := range s.preview(ev, 1).chunks {
			for _, p := range c.People {
				found[p.UserID] = p.Personal
			}
		}
		batches, _ := s.walk(s.create(ev), 10, 10)
		same(t, "texts", found, s.texts(ev.ID, batches))
	}
	ev := absence("nobody", `{}`)
	wantFields(t, s.Previews.Preview(s.ctx(), ev, nil, 10, &previewed{}), "personal[0].user")
}

func personalStored(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	id := s.create(absence("ada", `{"reason": "ill"}`, "head", `{"room": "7"}`, "dina", `{"reason": "not told"}`))
	data := func() string {
		found, err := s.Previews.PersonalData(s.ctx(), id)
		s.must(err)
		text, err := json.Marshal(found)
		s.must(err)
		return string(text)
	}
	var users []int64
	for _, u := range []string{"mum", "dad", "head"} {
		p, err := s.Exports.Person(s.ctx(), u)
		s.must(err)
		users = append(users, p.Number)
	}
	told := func() map[int64]*schoolbell.PersonalText {
		found, err := s.Previews.Personal(s.ctx(), s.event(id), users)
		s.must(err)
		return found
	}
	before := told()
	same(t, "before it is fanned out", before, map[int64]*schoolbell.PersonalText{
		users[0]: {Students: []schoolbell.Student{{ID: "ada", Name: "Name of ada", Data: map[string]string{"reason": "ill"}}, {ID: "ben", Name: "Name of ben"}}},
		users[1]: {Students: []schoolbell.Student{{ID: "cleo", Name: "Name of cleo"}}},
		users[2]: {Data: map[string]string{"room": "7"}},
	})
	same(t, "data", data(), `[{"user":"ada","data":{"reason":"ill"}},{"user":"dina","data":{"reason":"not told"}},{"user":"head","data":{"room":"7"}}]`)
	s.walk(id, 10, 10)
	same(t, "after it is fanned out", told(), before)
	mum := person("mum", schoolbell.RoleParent)
	mum.GuardianOf = []string{"cleo"}
	s.put(mum)
	same(t, "after she is a guardian of others", told(), before)
	s.must(s.People.DeleteUser(s.ctx(), "head"))
	same(t, "data after a person was erased", data(), `[{"user":"ada","data":{"reason":"ill"}},{"user":"dina","data":{"reason":"not told"}}]`)
	found, err := s.Previews.PersonalData(s.ctx(), "gone")
	s.must(err)
	same(t, "data of an event that is gone", len(found), 0)
}

func personalRemoved(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	id := s.create(absence("ada", `{"reason": "ill"}`, "ben", `{"reason": "late"}`))
	batches, _ := s.walk(id, 10, 10)
	for _, b := range batches {
		s.deliver(s.lease(), b, schoolbell.DeliverySent)
	}
	_, err := s.Waves.FinishWave(s.ctx(), zeroth(id))
	s.must(err)
	s.removeAll(ledger.KeptDeliveries, later(), 2)
	same(t, "rows removed with the event", s.removeAll(ledger.KeptEvents, later(), 2), 1+2+3)
	_, err = s.Events.Event(s.ctx(), id)
	wantCode(t, err, schoolbell.CodeNotFound)
	p, err := s.Exports.Person(s.ctx(), "ada")
	s.must(err)
	found, _, err := s.Exports.PersonalOf(s.ctx(), p.Number, 0, 10)
	s.must(err)
	same(t, "records left", len(found), 0)
}

func personalExport(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.family()
	var ids []string
	for i := range 3 {
		ids = append(ids, s.create(absence("ada", fmt.Sprintf(`{"n": %d}`, i))))
		s.walk(ids[i], 10, 10)
	}
	records := func(user string, limit int) (all []ledger.PersonalRecord) {
		p, err := s.Exports.Person(s.ctx(), user)
		s.must(err)
		for after := int64(0); ; {
			found, last, err := s.Exports.PersonalOf(s.ctx(), p.Number, after, limit)
			s.must(err)
			if last == 0 {
				return all
			}
			all, after = append(all, found...), last
		}
	}
	ada, mum := records("ada", 2), records("mum", 2)
	same(t, "events of ada", len(ada), 3)
	for i, r := range ada {
		same(t, "record", r, ledger.PersonalRecord{EventID: ids[i], Data: map[string]string{"n": fmt.Sprint(i)}, Guardians: []string{"mum"}})
		same(t, "record of mum", mum[i], ledger.PersonalRecord{EventID: ids[i], Students: []string{"ada", "ben"}})
	}
	same(t, "of dina, who is in another class", len(records("dina", 2)), 0)
}
