package bench

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// noteLength is that of what an event says of one person, in bytes.
const noteLength = 40

// measurePersonal sends an event to everybody with a template of the school, preferences and schedules of all people and personal
// text, beside one of the same length without any of these.
func measurePersonal(b *testing.B, srv *servers, out *report) {
	n := min(sizeUpTo(b, pairFrom), schoolbell.MaxPersonal)
	plain := &contender{name: "plain", start: startNoted, setup: setup{people: n, workers: 1}}
	personal := &contender{name: "personal", start: startPersonal, setup: setup{people: n, workers: 1}}
	alternate(*rounds, peopleOf(n)+" with personal text", []*contender{plain, personal}, func(c *contender) { c.measure(b, srv) }, func() {})
	what := count(n) + " people with template, preferences and personal text: "
	out.add(line{measure: what + "people/s", ours: personal.median(run.rate)})
	out.add(line{measure: what + "people/s, share of that without", digits: 2, ours: personal.median(run.rate) / plain.median(run.rate), goals: []goal{atLeast(0.9)}})
	out.add(line{measure: what + "CPU of serve, workers and PostgreSQL, µs/person", digits: 1, ours: personal.time(costs.counted)})
	out.add(line{measure: what + "CPU, share of that without", digits: 2, ours: personal.time(costs.counted) / plain.time(costs.counted), goals: []goal{atMost(1.1)}})
}

// templateMark is in the emails that the template of the school makes.
const templateMark = "<b>Ours</b>"

// note is what an event says of one person, or of all.
func note(of string) string { return of + strings.Repeat("x", noteLength-len(of)) }

// startNoted starts a system whose events say the same to all: as much as those of startPersonal.
func startNoted(b testing.TB, srv *servers, o setup) *system {
	b.Helper()
	s := startSchoolbell(b, srv, o)
	s.event = func(to audience) any { return noted(to, note("all")) }
	return s
}

// startPersonal starts a system in which all people have chosen something, whose school has a template of its own, and
// whose events say something else to everybody.
func startPersonal(b testing.TB, srv *servers, o setup) *system {
	b.Helper()
	o.prepare = choosePersonal
	s := startSchoolbell(b, srv, o)
	s.event = func(to audience) any {
		e := noted(to, "{{data.note}}")
		var personal []schoolbell.PersonData
		add := func(n int) {
			data, err := json.Marshal(map[string]string{"note": note(userID(n))})
			if err != nil {
				b.Fatal(err)
			}
			personal = append(personal, schoolbell.PersonData{User: userID(n), Data: data})
		}
		for _, n := range to.users {
			add(n)
		}
		for n := 0; len(to.users) == 0 && n < o.people; n++ {
			add(n)
		}
		e["personal"] = personal
		return e
	}
	return s
}

// noted is an event that says a note at its end.
func noted(to audience, note string) map[string]any {
	e := schoolbellEvent(to).(map[string]any)
	e["body"] = body + " " + note
	return e
}

// choosePersonal gives the school a template with the text of the standard one, and all people preferences and a schedule that
// change nothing about when messages are sent. The workers start after it, so they know all this.
func choosePersonal(b testing.TB, s *system, c *client.Client) {
	b.Helper()
	key := schoolbell.TemplateKey{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Locale: "en"}
	standard, err := c.Template(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	changed := wire.TemplateText{Subject: standard.Subject, HTML: standard.HTML + templateMark, Text: standard.Text}
	if _, err := c.PutTemplate(b.Context(), key, changed); err != nil {
		b.Fatal(err)
	}
	day := time.Now().UTC().Add(12 * time.Hour)
	for _, statement := range []string{
		"UPDATE templates SET created_at = created_at - interval '1 hour'", // templates are used a few seconds after they were stored
		"INSERT INTO preferences (user_seq, category, channel, mode) SELECT seq, c, 2, 'instant' FROM users, unnest(ARRAY['announcement', 'event', 'reminder']) c",
		fmt.Sprintf("UPDATE users SET quiet_hours = '%s-%s', digest_window = '16:30'", day.Format("15:04"), day.Add(time.Hour).Format("15:04")),
		"ANALYZE users, preferences",
	} {
		execute(b, s.dsn, statement)
	}
}

func TestPersonalDelivery(t *testing.T) {
	t.Parallel()
	t.Run("with personal text", func(t *testing.T) { t.Parallel(); testDelivery(t, startPersonal) })
	t.Run("with as much plain text", func(t *testing.T) { t.Parallel(); testDelivery(t, startNoted) })
}

// Emails of both kinds have the same length, and the personal ones say what is measured.
func TestPersonalLength(t *testing.T) {
	t.Parallel()
	srv, lengths := startServers(t), map[string]int{}
	for name, start := range map[string]starter{"plain": startNoted, "personal": startPersonal} {
		sink := testenv.SMTPSinkServer(t, testenv.SinkOptions{Keep: true})
		s := start(t, srv, setup{people: 9, workers: 1, sink: sink})
		s.reach(t, srv, audience{})
		s.stop()
		own := 0
		for _, m := range sink.Messages() {
			lengths[name] += len(m.Body)
			if body := strings.ReplaceAll(string(m.Body), "=\n", ""); strings.Contains(body, templateMark) && strings.Contains(body, "u0000") {
				own++
			}
		}
		if want := map[string]int{"plain": 0, "personal": 9}[name]; own != want {
			t.Errorf("%s: %d emails with the template and the text of one person", name, own)
		}
	}
	if difference := lengths["personal"] - lengths["plain"]; difference < 0 || difference > 9*200 {
		t.Errorf("the emails have %v bytes", lengths)
	}
}
