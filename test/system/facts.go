package system

import (
	"fmt"
	"slices"
	"time"

	"schoolbell"
)

// Facts are what one event came to, person by person, as the mail server and
// the ledger tell it.
type Facts struct {
	Emails    int                    // taken in all
	Times     map[string][]time.Time // of each person's emails, the first first
	Lost      []string               // who got none, in order
	Repeated  []string               // who got more than one, in order
	Uncertain []string               // whose row says uncertain, in order
}

// Reached waits until the event is completed and expects that everybody of n
// people has one inbox row and at least one mail, that only rows marked uncertain
// have more than one, all under the same Message-ID, and that the API's totals say the same.
func (s *School) Reached(m *Mail, id string, n int) Facts {
	s.t.Helper()
	everybody := make([]string, n)
	for i := range everybody {
		everybody[i] = Person(i)
	}
	return s.ReachedPeople(m, id, everybody)
}

// ReachedPeople is Reached for an event to these people, in order.
func (s *School) ReachedPeople(m *Mail, id string, people []string) Facts {
	s.t.Helper()
	ev := s.AwaitStatus(id, schoolbell.EventCompleted)
	f := Facts{Times: map[string][]time.Time{}, Uncertain: s.Ledger.people(id, email, unsure)}
	ids := map[string]string{}
	for _, l := range m.Letters(id) {
		f.Emails++
		f.Times[l.User] = append(f.Times[l.User], l.At)
		if known, ok := ids[l.User]; ok && known != l.MessageID {
			s.t.Errorf("%s got emails with the ids %s and %s", l.User, known, l.MessageID)
		}
		ids[l.User] = l.MessageID
	}
	if distinct := len(sortedSet(ids)); distinct != len(ids) {
		s.t.Errorf("%d people got emails with %d ids", len(ids), distinct)
	}
	for _, id := range people {
		switch emails := len(f.Times[id]); {
		case emails == 0:
			f.Lost = append(f.Lost, id)
		case emails > 1:
			f.Repeated = append(f.Repeated, id)
		}
	}
	if len(f.Lost) > 0 || len(f.Times) != len(people) {
		s.t.Errorf("%d of %d people got no mail: %s; %d got one", len(f.Lost), len(people), few(f.Lost), len(f.Times))
	}
	if wrong := Without(f.Repeated, f.Uncertain); len(wrong) > 0 {
		s.t.Errorf("%d people got more than one mail and are not marked uncertain: %s", len(wrong), few(wrong))
	}
	s.rowsAre(id, people, ev.Progress, len(f.Uncertain))
	return f
}

// ReachedOnce is Reached where nothing gave a reason for doubt: one mail each.
func (s *School) ReachedOnce(m *Mail, id string, n int) {
	s.t.Helper()
	f := s.Reached(m, id, n)
	if f.Emails != n || len(f.Repeated) > 0 || len(f.Uncertain) > 0 {
		s.t.Errorf("%d emails for %d people; %d got more than one: %s; %d are uncertain: %s",
			f.Emails, n, len(f.Repeated), few(f.Repeated), len(f.Uncertain), few(f.Uncertain))
	}
}

// rowsAre compares ledger and API with everybody reached and so many uncertain.
func (s *School) rowsAre(id string, everybody []string, p *schoolbell.Progress, uncertain int) {
	s.t.Helper()
	if rows := s.Ledger.inbox(id); !slices.Equal(rows, everybody) {
		s.t.Errorf("%d inbox rows for %d people; too few or too many: %s %s", len(rows), len(everybody), few(Without(everybody, rows)), few(repeated(rows)))
	}
	for _, ch := range []int{inApp, email} {
		if rows := s.Ledger.people(id, ch, all); !slices.Equal(rows, everybody) {
			s.t.Errorf("%d deliveries on channel %d for %d people", len(rows), ch, len(everybody))
		}
	}
	if open := s.Ledger.open(id); open > 0 {
		s.t.Errorf("%d rows of a completed event are not terminal", open)
	}
	if p == nil || p.Percent != 100 || p.Total != 2*len(everybody) || p.Done != p.Total {
		s.t.Errorf("the API says %+v", p)
		return
	}
	if err := channelWants(p.Channels[schoolbell.ChannelInApp], len(everybody), 0); err != nil {
		s.t.Errorf("in-app: the API says %v", err)
	}
	if err := channelWants(p.Channels[schoolbell.ChannelEmail], len(everybody), uncertain); err != nil {
		s.t.Errorf("email: the API says %v", err)
	}
}

// Without are those of list that are not in other.
func Without(list, other []string) []string {
	known := make(map[string]bool, len(other))
	for _, id := range other {
		known[id] = true
	}
	var rest []string
	for _, id := range list {
		if !known[id] {
			rest = append(rest, id)
		}
	}
	return rest
}

func repeated(sorted []string) []string {
	var twice []string
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			twice = append(twice, sorted[i])
		}
	}
	return twice
}

func sortedSet(m map[string]string) []string {
	var values []string
	for _, v := range m {
		values = append(values, v)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// few shows the first of a list.
func few(list []string) string {
	if len(list) <= 5 {
		return fmt.Sprint(list)
	}
	return fmt.Sprintf("%v and %d more", list[:5], len(list)-5)
}
