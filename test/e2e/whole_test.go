package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const people = 2_000

func TestWholeSystem(t *testing.T) {
	t.Parallel()
	t.Run("SQLite with the embedded queue", testWholeSystemEmbedded)
	t.Run("PostgreSQL and Redis with two workers", testWholeSystemWorkers)
	t.Run("emails reach an independent SMTP server", testWholeSystemSMTPSink)
}

func testWholeSystemEmbedded(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{SMTP: mail.Addr()})
	serve := s.Serve()
	usesAll(t, s, mail)
	serve.Stop()
}

func testWholeSystemWorkers(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: mail.Addr()})
	serve, one, two := s.Serve(), s.Worker("one"), s.Worker("two")
	for _, line := range []string{"Redis connected: 127.0.0.1:", "Ledger connected: PostgreSQL", "Queues: event-notifications, event-notifications-email"} {
		one.Await(line)
	}
	usesAll(t, s, mail)
	one.Stop()
	two.Stop()
	serve.Stop()
}

func testWholeSystemSMTPSink(t *testing.T) {
	t.Parallel()
	sink := testenv.SMTPSink(t)
	s := system.New(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t), SMTP: sink.Addr})
	serve, one, two := s.Serve(), s.Worker("one"), s.Worker("two")
	s.AwaitReady()
	s.Import(people)
	ev := s.AwaitStatus(s.Create().ID, schoolbell.EventCompleted)
	want := schoolbell.ChannelProgress{Total: people, Sent: people}
	if got := ev.Progress.Channels[schoolbell.ChannelEmail]; got != want {
		t.Errorf("email: %+v, want %+v", got, want)
	}
	if n := sink.Count(); n != people {
		t.Errorf("smtp-sink took %d emails, want %d", n, people)
	}
	one.Stop()
	two.Stop()
	serve.Stop()
}

// usesAll goes the way of an event from import to inbox, and then the other ways.
func usesAll(t *testing.T, s *system.School, mail *system.Mail) {
	t.Helper()
	s.AwaitReady()
	s.Import(people)
	created := s.Create()
	t.Logf("an event for %d people was accepted in %v", people, created.Took)
	if created.Status != "queued" {
		t.Errorf("the new event is %s", created.Status)
	}
	watched(t, s, created.ID)
	s.ReachedOnce(mail, created.ID, people)
	listed(t, s, created.ID)
	inInboxes(t, s, created.ID)
	shown(t, s, created.ID)
	calledOff(t, s, mail)
	scheduled(t, s, mail)
	triedAgain(t, s, mail)
}

// watched follows the event's stream to its end.
func watched(t *testing.T, s *system.School, id string) {
	t.Helper()
	var seen []wire.EventProgress
	for p, err := range s.Client.WatchEvent(t.Context(), id) {
		if err != nil {
			t.Fatalf("watch the event: %v", err)
		}
		seen = append(seen, p)
	}
	if len(seen) == 0 {
		t.Fatal("the stream says nothing")
	}
	if !slices.IsSortedFunc(seen, func(a, b wire.EventProgress) int { return a.Progress.Done - b.Progress.Done }) {
		t.Errorf("progress goes back: %+v", seen)
	}
	if last := seen[len(seen)-1]; last.Status != schoolbell.EventCompleted || last.Progress.Percent != 100 || last.Progress.Done != 2*people {
		t.Errorf("the stream ends with %+v", last)
	}
}

// listed pages through all deliveries: one for each person and channel, all terminal.
func listed(t *testing.T, s *system.School, id string) {
	t.Helper()
	seen := map[schoolbell.Channel]map[string]bool{schoolbell.ChannelInApp: {}, schoolbell.ChannelEmail: {}}
	rows := 0
	for page := (client.Page{Limit: 500}); ; {
		got, err := s.Client.Deliveries(t.Context(), id, schoolbell.DeliveryFilter{}, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got.Deliveries {
			rows++
			seen[d.Channel][d.UserID] = true
			if !d.Status.Terminal() || d.EventID != id {
				t.Errorf("delivery %+v", d)
			}
		}
		if page.Cursor = got.Next; got.Next == "" {
			break
		}
	}
	if rows != 2*people || len(seen[schoolbell.ChannelInApp]) != people || len(seen[schoolbell.ChannelEmail]) != people {
		t.Errorf("%d deliveries, to %d people in-app and %d by email", rows, len(seen[schoolbell.ChannelInApp]), len(seen[schoolbell.ChannelEmail]))
	}
}

// inInboxes reads inboxes as their owners do.
func inInboxes(t *testing.T, s *system.School, id string) {
	t.Helper()
	for _, n := range []int{0, people / 2, people - 1} {
		user := system.Person(n)
		token, err := s.Client.CreateToken(t.Context(), user, 0)
		if err != nil {
			t.Fatal(err)
		}
		owner := s.As(token.Token)
		box, err := owner.Inbox(t.Context(), user, client.Page{})
		if err != nil || len(box.Items) != 1 || box.Items[0].EventID != id || box.Unread != 1 || !box.Items[0].ReadAt.IsZero() {
			t.Fatalf("inbox of %s: %+v (%v)", user, box, err)
		}
		if unread, err := owner.ReadItem(t.Context(), user, id); err != nil || unread != 0 {
			t.Errorf("%s read it, and %d are unread (%v)", user, unread, err)
		}
		_, err = owner.Inbox(t.Context(), system.Person(n^1), client.Page{})
		if p, ok := err.(*client.Problem); !ok || p.Status != http.StatusForbidden {
			t.Errorf("%s reads another one's inbox: %v", user, err)
		}
	}
}

// shown is what the command line says of it.
func shown(t *testing.T, s *system.School, id string) {
	t.Helper()
	if out := s.Does("event", "show", id); !strings.Contains(out, "100 %: 4,000 of 4,000 done") {
		t.Errorf("event show:\n%s", out)
	}
	if out := s.Does("event", "watch", id); !strings.Contains(out, "completed") {
		t.Errorf("event watch:\n%s", out)
	}
	for queue, jobs := range map[string]int{"event-notifications": 1, "event-notifications-email": people / 100} {
		var counts map[string]int
		decode(t, s.Does("queue", "counts", queue, "--json"), &counts)
		for state, n := range counts {
			if want := map[string]int{"completed": jobs}[state]; n != want {
				t.Errorf("%s: %d jobs are %s, want %d", queue, n, state, want)
			}
		}
		if _, known := counts["completed"]; !known {
			t.Errorf("%s: the counts are %v", queue, counts)
		}
	}
}

func decode(t *testing.T, text string, out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// announce creates an event on the command line.
func announce(t *testing.T, s *system.School, args ...string) *wire.Event {
	t.Helper()
	ev := &wire.Event{}
	decode(t, s.Does(append([]string{"event", "create", "--title", "Choir", "--body", "Sing.", "--json"}, args...)...), ev)
	return ev
}

// calledOff is an event for later that is cancelled.
func calledOff(t *testing.T, s *system.School, mail *system.Mail) {
	t.Helper()
	ev := announce(t, s, "--role", "teacher", "--send-at", "+1h")
	if ev.Status != schoolbell.EventScheduled {
		t.Errorf("the event for later is %s", ev.Status)
	}
	s.Does("event", "cancel", ev.ID)
	if got := s.AwaitStatus(ev.ID, schoolbell.EventCancelled); got.Progress.Total != 0 {
		t.Errorf("the cancelled event has deliveries: %+v", got.Progress)
	}
	if n := len(mail.Letters(ev.ID)); n != 0 {
		t.Errorf("%d emails of the cancelled event went out", n)
	}
}

// scheduled is an event for a moment from now.
func scheduled(t *testing.T, s *system.School, mail *system.Mail) {
	t.Helper()
	ev := announce(t, s, "--role", "teacher", "--send-at", "+1500ms")
	if ev.Status != schoolbell.EventScheduled {
		t.Errorf("the event for later is %s", ev.Status)
	}
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	letters := mail.Letters(ev.ID)
	if len(letters) != people/20 {
		t.Errorf("%d teachers got the scheduled event, want %d", len(letters), people/20)
	}
	for _, l := range letters {
		if l.At.Before(ev.SendAt.Time) {
			t.Errorf("%s got it at %v, before %v", l.User, l.At, ev.SendAt)
		}
	}
}

// triedAgain is an event that somebody's mail server refuses at first.
func triedAgain(t *testing.T, s *system.School, mail *system.Mail) {
	t.Helper()
	mail.Refuse(7, 550)
	ev := announce(t, s, "--user", system.Person(7), "--user", system.Person(8))
	by := s.AwaitStatus(ev.ID, schoolbell.EventCompleted).Progress.Channels[schoolbell.ChannelEmail]
	if by.Sent != 1 || by.Failed != 1 {
		t.Errorf("with one of two refused: %+v", by)
	}
	if r := s.Run(nil, "event", "watch", ev.ID); r.Code != 1 || !strings.Contains(r.Err, "1 delivery failed") {
		t.Errorf("event watch of a failed delivery: code %d\n%s%s", r.Code, r.Out, r.Err)
	}
	if out := s.Does("event", "deliveries", ev.ID, "--status", "failed"); !strings.Contains(out, system.Person(7)) || !strings.Contains(out, "550") || strings.Contains(out, system.Person(8)) {
		t.Errorf("failed deliveries:\n%s", out)
	}
	mail.Refuse(7, 0)
	if out := s.Does("event", "retry", ev.ID, "--channel", "email", "--reason", "another one"); !strings.Contains(out, "0 deliveries are retried") {
		t.Errorf("retried those with a reason that none has:\n%s", out)
	}
	var again struct{ Retried int }
	if decode(t, s.Does("event", "retry", ev.ID, "--json"), &again); again.Retried != 1 {
		t.Errorf("%d deliveries are tried again", again.Retried)
	}
	by = s.AwaitStatus(ev.ID, schoolbell.EventCompleted).Progress.Channels[schoolbell.ChannelEmail]
	if letters := mail.Letters(ev.ID); by.Sent != 2 || len(letters) != 2 || letters[0].User == letters[1].User {
		t.Errorf("after the retry: %+v, %v", by, letters)
	}
}
