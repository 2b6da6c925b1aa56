package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// A preview never disagrees with what sending does.
func TestPreview(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, previewsAgree)
}

const previewPeople = 60

// previewed is a random school whose events are previewed and sent.
type previewed struct {
	*system.School
	t      *testing.T
	random *rand.Rand
	twilio *fake.Twilio
}

func previewsAgree(t *testing.T, parts system.Parts) {
	t.Helper()
	seed := rand.Uint64()
	twilio, err := fake.NewTwilio(fake.TwilioOptions{AuthToken: "planted-auth-token"})
	must(t, err)
	play(t, twilio)
	mail := system.NewMail(t)
	parts.SMTP, parts.Settings = mail.Addr(), append(twilio.Settings(), "SMS_PRICE=0.075 EUR", "SCHOOL_NAME=Hill", "EMAIL_RATE=1000")
	s := &previewed{School: system.New(t, parts), t: t, random: rand.New(rand.NewPCG(seed, 2)), twilio: twilio}
	defer s.Start()()
	s.people()
	for i := range 10 {
		if i == 7 {
			s.quiet()
		}
		if s.agrees(s.event()); t.Failed() {
			t.Fatalf("the seed was %d", seed)
		}
	}
}

// one returns one of the values.
func one[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// people imports people with and without addresses, in several languages and zones. Some opted out, and nothing may be sent to
// some addresses.
func (s *previewed) people() {
	s.t.Helper()
	var lines strings.Builder
	for n := range previewPeople {
		u := map[string]any{"id": system.Person(n), "name": one(s.random, "Ann", "Zoë Müller", "ليلى", "Ōe 🎈"), "roles": []schoolbell.Role{one(s.random, schoolbell.Roles()...)},
			"locale": one(s.random, "", "en", "es-MX", "ar", "fr"), "timezone": one(s.random, "", "Europe/Madrid", "Asia/Kathmandu"), "groups": []string{fmt.Sprint("class", s.random.IntN(3))}}
		switch s.random.IntN(4) {
		case 0:
		case 1:
			u["email"] = one(s.random, "family@hill.example", "Family@Hill.example", "home@hill.example")
		default:
			u["email"] = system.Address(n)
		}
		switch s.random.IntN(6) {
		case 0, 1:
		case 2:
			u["phone"] = phone(99)
		default:
			u["phone"] = phone(n + 100)
		}
		line, err := json.Marshal(u)
		must(s.t, err)
		lines.Write(append(line, '\n'))
	}
	report, err := s.Client.ImportUsers(s.t.Context(), strings.NewReader(lines.String()), client.NDJSON)
	if err != nil || report.Imported != previewPeople {
		s.t.Fatalf("import: %+v (%v)", report, err)
	}
	for range previewPeople / 4 {
		_, err := s.Client.PutPreferences(s.t.Context(), system.Person(s.random.IntN(previewPeople)), schoolbell.Preference{
			Category: one(s.random, schoolbell.CategoryEvent, schoolbell.CategoryAnnouncement), Channel: one(s.random, schoolbell.ChannelEmail, schoolbell.ChannelSMS), Mode: schoolbell.ModeOff})
		must(s.t, err)
		// Some people have no address; they are refused.
		_, _ = s.Client.Suppress(s.t.Context(), wire.NewSuppression{Channel: schoolbell.ChannelEmail, Address: system.Address(s.random.IntN(previewPeople)), Reason: "asked for it"})
	}
}

// quiet gives some people quiet hours that are not over for an hour at least.
func (s *previewed) quiet() {
	s.t.Helper()
	now := time.Now().UTC()
	hours := schoolbell.QuietHours{From: schoolbell.ClockTime(now.Add(-time.Hour).Format("15:04")), To: schoolbell.ClockTime(now.Add(2 * time.Hour).Format("15:04"))}
	for range 10 {
		n := s.random.IntN(previewPeople)
		u, err := s.Client.User(s.t.Context(), system.Person(n))
		must(s.t, err)
		if u.Email != system.Address(n) || u.Phone == phone(99) {
			continue // who of a household waits is compared elsewhere
		}
		u.Timezone = "UTC"
		_, _, err = s.Client.PutUser(s.t.Context(), *u)
		must(s.t, err)
		_, err = s.Client.PutSchedule(s.t.Context(), u.ID, schoolbell.Schedule{QuietHours: hours})
		must(s.t, err)
	}
}

// event returns an event to some of them.
func (s *previewed) event() wire.NewEvent {
	r := s.random
	words := func(most int) string {
		return strings.TrimSpace(strings.Repeat(one(r, "Bring water. ", "Mañana. ", "¿Qué? 🎈 "), 1+r.IntN(most)))
	}
	ev := wire.NewEvent{Title: "Gala " + fmt.Sprint(r.IntN(100)), Body: words(60), Location: one(r, "", "Pool"),
		Category: one(r, schoolbell.CategoryEvent, schoolbell.CategoryAnnouncement, schoolbell.CategoryUrgent, schoolbell.CategoryAttendance),
		Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail, schoolbell.ChannelSMS}[r.IntN(2):]}
	for _, language := range []string{"es", "ar"} {
		if r.IntN(2) == 0 {
			if ev.Texts == nil {
				ev.Texts = map[string]schoolbell.EventText{}
			}
			ev.Texts[language] = schoolbell.EventText{Title: "Festival", Body: words(40)}
		}
	}
	for range 1 + r.IntN(20) {
		ev.Audience.Users = append(ev.Audience.Users, system.Person(r.IntN(previewPeople)))
	}
	if r.IntN(3) == 0 {
		ev.Body += " " + one(r, "{{user.name}}", "{{data.note|Nothing}}")
		for n := range 1 + r.IntN(10) {
			ev.Personal = append(ev.Personal, schoolbell.PersonData{User: system.Person(n), Data: []byte(one(r, `{"note": "A rope"}`, `{"note": "A tent"}`))})
		}
	}
	switch r.IntN(3) {
	case 0:
		ev.Audience.Roles = []schoolbell.Role{one(r, schoolbell.Roles()...)}
	case 1:
		ev.Audience.Exclude = &schoolbell.Selector{Groups: []string{"class1"}}
	}
	return ev
}

// agrees previews an event, sends it and compares.
func (s *previewed) agrees(ev wire.NewEvent) {
	s.t.Helper()
	p, err := s.Client.PreviewEvent(s.t.Context(), ev, "", "")
	must(s.t, err)
	before := len(s.twilio.Messages())
	created, err := s.Client.CreateEvent(s.t.Context(), ev)
	must(s.t, err)
	deliveries, held := s.outcome(created.ID)
	if created.Category != p.Category || created.Lane != p.Lane || len(created.Channels) != len(p.Channels) {
		s.t.Errorf("the event is %+v, the preview %+v", created, p)
	}
	if p.Held == nil && len(held) > 0 || p.Held != nil && p.Held.People != len(held) {
		s.t.Errorf("quiet hours hold %d people; the preview says %+v", len(held), p.Held)
	}
	reached := map[string]bool{}
	messages := 0
	for _, c := range p.Channels {
		messages += c.Messages
		s.channelAgrees(c, deliveries, reached)
		s.finishAgrees(c, p.Lane)
	}
	leftOut := 0
	for _, got := range reached {
		if !got {
			leftOut++
		}
	}
	if p.People != len(reached) || p.LeftOut != leftOut || p.Messages != messages {
		s.t.Errorf("%d people, %d left out, %d messages; the preview says %d, %d, %d", len(reached), leftOut, messages, p.People, p.LeftOut, p.Messages)
	}
	if len(held) == 0 {
		s.textsAgree(p, s.twilio.Messages()[before:])
	}
}

// outcome returns the deliveries of an event when each has ended or waits for the end of quiet hours, and for whom they wait.
func (s *previewed) outcome(id string) (deliveries []wire.Delivery, held map[string]bool) {
	s.t.Helper()
	testenv.Eventually(s.t, time.Minute, func() error {
		ev, err := s.Client.Event(s.t.Context(), id)
		if err != nil {
			return err
		}
		page, err := s.Client.Deliveries(s.t.Context(), id, schoolbell.DeliveryFilter{}, client.Page{Limit: 500})
		if err != nil {
			return err
		}
		deliveries, held = page.Deliveries, map[string]bool{}
		for _, d := range deliveries {
			switch {
			case d.Reason == schoolbell.ReasonQuietHours:
				held[d.UserID] = true
			case !d.Status.Terminal():
				return fmt.Errorf("%s of %s is %s", d.Channel, d.UserID, d.Status)
			}
		}
		if len(held) == 0 && ev.Status != schoolbell.EventCompleted {
			return fmt.Errorf("the event is %s", ev.Status)
		}
		return nil
	}, "every message is sent or waits")
	return deliveries, held
}

// finishAgrees checks what the limit of emails means. Normal messages leave a fifth of it to urgent ones.
func (s *previewed) finishAgrees(c wire.PreviewedChannel, lane schoolbell.Lane) {
	s.t.Helper()
	want := ""
	if c.Channel == schoolbell.ChannelEmail && c.Messages > 0 {
		want = "email rate 800/s"
		if lane == schoolbell.LaneUrgent {
			want = "email rate 1000/s"
		}
	}
	if c.Finish == nil && want != "" || c.Finish != nil && (c.Finish.LimitedBy != want || c.Finish.Seconds != 1) {
		s.t.Errorf("%s finishes at %+v, want %q", c.Channel, c.Finish, want)
	}
}

// channelAgrees compares what one channel carried. It notes who got a message.
func (s *previewed) channelAgrees(c wire.PreviewedChannel, deliveries []wire.Delivery, reached map[string]bool) {
	s.t.Helper()
	sent, reasons := 0, map[string][]string{}
	for _, d := range deliveries {
		if d.Channel != c.Channel {
			continue
		}
		switch d.Status {
		case schoolbell.DeliverySent, schoolbell.DeliveryPending:
			sent++
			reached[d.UserID] = true
		case schoolbell.DeliverySuppressed:
			reasons[d.Reason] = append(reasons[d.Reason], d.UserID)
			// Who has the same address as somebody else reads the message there. Others count as people, too.
			reached[d.UserID] = reached[d.UserID] || d.Reason == schoolbell.ReasonSameAddress
		default:
			s.t.Errorf("a delivery is %+v", d)
		}
	}
	if c.Messages != sent || len(c.Reasons) != len(reasons) {
		s.t.Errorf("%s: %d were sent, and others not because of %v; the preview is %+v", c.Channel, sent, reasons, c)
	}
	for _, r := range c.Reasons {
		if r.People != len(reasons[r.Reason]) || len(r.Examples) != min(r.People, 5) {
			s.t.Errorf("%s, %s: %d people and %d examples, want %d", c.Channel, r.Reason, r.People, len(r.Examples), len(reasons[r.Reason]))
		}
		for _, person := range r.Examples {
			if !slices.Contains(reasons[r.Reason], person.ID) {
				s.t.Errorf("%s, %s: %s is an example", c.Channel, r.Reason, person.ID)
			}
		}
	}
}

// linkToken is the part of a message link that differs.
var linkToken = regexp.MustCompile(`/m/[A-Za-z0-9_-]{48}`)

// textsAgree compares text messages and their lengths.
func (s *previewed) textsAgree(p *wire.EventPreview, sent []fake.TwilioMessage) {
	s.t.Helper()
	segments, lengths, bodies := 0, map[int]int{}, map[string]bool{}
	for _, m := range sent {
		segments += m.Segments
		lengths[m.Segments]++
		bodies[linkToken.ReplaceAllString(m.Body, "")] = true
	}
	counted := map[int]int{}
	for _, l := range p.SMS.Lengths {
		counted[l.Segments] = l.Messages
	}
	if p.SMS.Segments != segments || fmt.Sprint(counted) != fmt.Sprint(lengths) || p.SMS.Amount != float64(segments)*75/1000 || p.SMS.Estimated {
		s.t.Errorf("%d segments, by length %v; the preview says %+v", segments, lengths, p.SMS)
	}
	for _, m := range p.Shown {
		if m.Channel == schoolbell.ChannelSMS && !bodies[linkToken.ReplaceAllString(m.Text, "")] {
			s.t.Errorf("nobody got %q", m.Text)
		}
	}
}
