package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store"
)

var eventsMany = []promise{
	{"CreateEvents stores good events in order and returns faults", manyEvents},
	{"CreateEvents replays keys, also its own", manyEventsKeys},
	{"CreateEvents that fails stores nothing", manyEventsAbandoned},
	{"CreateEvents stores the changes of its events", manyEventsAudited},
}

// titled is a new event with a title.
func titled(title string, audience schoolbell.Audience) *schoolbell.Event {
	ev := newEvent(audience)
	ev.Title = title
	return ev
}

// keyed is an event to store under a key, whose title stands for its request.
func keyed(ev *schoolbell.Event, key string) ledger.NewEvent {
	return ledger.NewEvent{Event: ev, Idempotency: ledger.Idempotency{Scope: "s", Key: key, Fingerprint: ev.Title}}
}

// outcomes shows results in short.
func outcomes(created []ledger.CreatedEvent) (out []string) {
	for _, c := range created {
		switch {
		case c.Err != nil:
			out = append(out, string(schoolbell.CodeOf(c.Err))+" "+schoolbell.FaultsOf(c.Err)[0].Field)
		case c.Replayed:
			out = append(out, "replayed "+c.Event.Title)
		default:
			out = append(out, "stored "+c.Event.Title)
		}
	}
	return out
}

func manyEvents(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	s.people(2)
	full := titled("Žofie 'quoted' %", schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(0)}}})
	full.Data, full.Location, full.Category = json.RawMessage(`{"b": 1,  "n": 1.50}`), `C:\hall "B", {NULL}`, schoolbell.CategoryUrgent
	full.Body, full.CreatedBy = "a\n\n\tb", schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "0123456789ab"}
	full.SendAt, full.Status = time.Date(2031, 3, 30, 1, 30, 0, 7e6, time.UTC), schoolbell.EventScheduled
	full.StartsAt, full.EndsAt, full.ExpiresAt = full.SendAt.Add(time.Hour), full.SendAt.Add(2*time.Hour), full.SendAt.Add(3*time.Hour)
	plain := titled("plain", toStudents())
	plain.Channels = nil
	unknown := titled("x", schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{userID(0), "nobody"}, Groups: []string{"none"}}})
	noCategory, noChannel := titled("x", toStudents()), newEvent(toStudents(), "pigeon")
	noCategory.Category = "nothing"
	created, err := s.Events.CreateEvents(s.ctx(), []ledger.NewEvent{{Event: full}, {Event: unknown}, {Event: noCategory}, {Event: noChannel},
		{Event: titled("x", toStudents()), Faults: schoolbell.Invalid("title", "is bad")}, {Event: plain}}, []schoolbell.Channel{schoolbell.ChannelEmail})
	s.must(err)
	same(t, "results", outcomes(created), []string{"stored Žofie 'quoted' %", "invalid audience.groups[0]", "invalid category", "invalid channels[0]", "invalid title", "stored plain"})
	for _, i := range []int{0, 5} {
		stored, err := s.Events.Event(s.ctx(), created[i].Event.ID)
		s.must(err)
		same(t, "event as read", stored, created[i].Event)
	}
	full.Lane = schoolbell.LaneUrgent
	same(t, "stored event", created[0].Event, full)
	same(t, "channels of the category", created[5].Event.Channels, []schoolbell.Channel{schoolbell.ChannelEmail})
	waves, err := s.Waves.UnqueuedWaves(s.ctx(), anyTime, 10)
	s.must(err)
	if len(waves) != 2 || waves[0].EventID != plain.ID || waves[1].EventID != full.ID || waves[1].Lane != schoolbell.LaneUrgent || waves[1].StartIn <= 0 {
		t.Errorf("the outbox has %+v", waves)
	}
	for _, code := range []struct{ err, want error }{{created[1].Err, s.refusal(unknown)}, {created[2].Err, s.refusal(noCategory)}, {created[3].Err, s.refusal(noChannel)}} {
		same(t, "faults as of CreateEvent", code.err.Error(), code.want.Error())
	}
	none, err := s.Events.CreateEvents(s.ctx(), nil, nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no events: %v, %v", none, err)
	}
}

// refusal is the error of CreateEvent.
func (s *testStore) refusal(ev *schoolbell.Event) error {
	s.t.Helper()
	_, _, err := s.Events.CreateEvent(s.ctx(), ev, nil, ledger.Idempotency{})
	wantCode(s.t, err, schoolbell.CodeInvalid)
	return err
}

func manyEventsKeys(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	early := keyed(titled("early", toStudents()), "k0")
	_, _, err := s.Events.CreateEvent(s.ctx(), early.Event, nil, early.Idempotency)
	s.must(err)
	nobody := schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"nobody"}}}
	faulty := func(title, key string) ledger.NewEvent {
		e := keyed(titled(title, toStudents()), key)
		e.Faults = schoolbell.Invalid("expires_at", "has passed")
		return e
	}
	request := func() []ledger.NewEvent {
		return []ledger.NewEvent{
			keyed(titled("early", toStudents()), "k0"), keyed(titled("other", toStudents()), "k0"),
			faulty("early", "k0"), faulty("other", "k0"), faulty("new", "k9"),
			keyed(titled("a", toStudents()), "k1"), keyed(titled("a", toStudents()), "k1"), keyed(titled("b", toStudents()), "k1"),
			keyed(titled("c", nobody), "k2"), keyed(titled("d", toStudents()), "k2"), keyed(titled("e", toStudents()), ""),
		}
	}
	first, err := s.Events.CreateEvents(s.ctx(), request(), nil)
	s.must(err)
	same(t, "results", outcomes(first), []string{"replayed early", "invalid Idempotency-Key", "replayed early", "invalid expires_at", "invalid expires_at",
		"stored a", "replayed a", "invalid Idempotency-Key", "invalid audience.users[0]", "stored d", "stored e"})
	again, err := s.Events.CreateEvents(s.ctx(), request(), nil)
	s.must(err)
	same(t, "results of a repetition", outcomes(again), []string{"replayed early", "invalid Idempotency-Key", "replayed early", "invalid expires_at", "invalid expires_at",
		"replayed a", "replayed a", "invalid Idempotency-Key", "invalid Idempotency-Key", "replayed d", "stored e"})
	for _, i := range []int{0, 2, 5, 6, 9} {
		if again[i].Event.ID != first[i].Event.ID {
			t.Errorf("result %d has two events", i)
		}
	}
}

func manyEventsAbandoned(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	taken := newEvent(toStudents())
	_, _, err := s.Events.CreateEvent(s.ctx(), taken, nil, ledger.Idempotency{})
	s.must(err)
	good := keyed(newEvent(toStudents()), "k")
	_, err = s.Events.CreateEvents(s.ctx(), []ledger.NewEvent{good, {Event: taken}}, nil)
	wantCode(t, err, schoolbell.CodeConflict)
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	if _, err := s.Events.CreateEvents(ctx, []ledger.NewEvent{good}, nil); err == nil {
		t.Error("a call whose context has ended succeeded")
	}
	_, err = s.Events.Event(s.ctx(), good.Event.ID)
	wantCode(t, err, schoolbell.CodeNotFound)
	created, err := s.Events.CreateEvents(s.ctx(), []ledger.NewEvent{good}, nil)
	s.must(err)
	same(t, "results when the key is free", outcomes(created), []string{"stored " + good.Event.Title})
}

func manyEventsAudited(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	var request []ledger.NewEvent
	for i := range 4 {
		e := keyed(titled(fmt.Sprint(i), toStudents()), fmt.Sprint(i/2)) // 1 and 3 are other requests under a used key
		e.Change = ledger.NewChange(schoolbell.AuditEntry{At: time.Now(), Actor: schoolbell.Actor{Kind: schoolbell.ActorKey, ID: "k"}, Action: "event.create"})
		e.Change.Target(e.Event.ID)
		request = append(request, e)
	}
	outer := ledger.NewChange(schoolbell.AuditEntry{At: time.Now(), Actor: schoolbell.Actor{Kind: schoolbell.ActorKey}, Action: "event.create"})
	_, err := s.Events.CreateEvents(ledger.WithChange(s.ctx(), outer), request, nil)
	s.must(err)
	entries, err := s.Reports.AuditEntries(s.ctx(), schoolbell.AuditFilter{}, "", 10)
	s.must(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Target.ID)
	}
	same(t, "targets of the entries, newest first", got, []string{request[2].Event.ID, request[0].Event.ID})
	for i, e := range request {
		if _, left := e.Change.Left(); left {
			t.Errorf("the entry of event %d is left to store", i)
		}
	}
	if _, left := outer.Left(); left {
		t.Error("the change of the context is left to store")
	}
}
