package notify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/notify"
	"schoolbell/internal/testenv"
)

// wordyRenderer makes messages that differ by the recipient's language, by the name where the body has {name}, and by a link.
type wordyRenderer struct{}

func (wordyRenderer) Render(ev *schoolbell.Event, ch schoolbell.Channel, r ledger.Recipient) (schoolbell.Message, error) {
	text := strings.ReplaceAll(ev.Body, "{name}", r.Name) + " in " + r.Locale + fmt.Sprintf(" https://school.example/m/%04d", r.Seq)
	return schoolbell.Message{EventID: ev.ID, UserID: r.UserID, Channel: ch, Locale: r.Locale, Subject: ev.Title, Text: schoolbell.Plain(text), ToName: r.Name}, nil
}

// householdCase is an event to people some of whom have one address.
type householdCase struct {
	name   string
	body   string
	people []householdPerson
	answer func(attempt int) schoolbell.Result // of the provider; nil accepts all
	want   []string                            // statuses and reasons, sorted
	sent   int                                 // messages that the provider accepted
}

type householdPerson struct {
	address, locale string
	off             bool   // for this category
	quiet           string // quiet hours; empty for those of the school
}

func householdCases() []householdCase {
	const sent, same = "sent", "suppressed same_address"
	family := householdPerson{address: "family", locale: "en"}
	var crowd []householdPerson
	for range 60 {
		crowd = append(crowd, family)
	}
	giveUp := func(int) schoolbell.Result {
		return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "550 no"}
	}
	return []householdCase{
		{"one address", "Hello", []householdPerson{family, family}, nil, []string{sent, same}, 1},
		{"one address, in upper case too", "Hello", []householdPerson{family, {address: "FAMILY", locale: "en"}}, nil, []string{sent, same}, 1},
		{"two addresses", "Hello", []householdPerson{family, {address: "other", locale: "en"}}, nil, []string{sent, sent}, 2},
		{"two languages", "Hello", []householdPerson{family, {address: "family", locale: "es"}}, nil, []string{sent, sent}, 2},
		{"the name in the text", "Dear {name}", []householdPerson{family, family}, nil, []string{sent, sent}, 2},
		{"three people, two languages", "Hello", []householdPerson{family, {address: "family", locale: "es"}, {address: "family", locale: "es"}}, nil, []string{sent, sent, same}, 2},
		{"one of them switched it off", "Hello", []householdPerson{{address: "family", locale: "en", off: true}, family, family}, nil, []string{sent, "suppressed opted_out", same}, 1},
		{"more than a claim", "Hello", crowd, nil, append([]string{sent}, slices.Repeat([]string{same}, 59)...), 1},
		{"a message that fails", "Hello", []householdPerson{family, family}, giveUp, []string{"failed 550 no", "failed 550 no"}, 0},
		{"a message that is tried again", "Hello", []householdPerson{family, family}, func(attempt int) schoolbell.Result {
			if attempt == 1 {
				return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "451 later"}
			}
			return schoolbell.Result{Verdict: schoolbell.VerdictSent}
		}, []string{sent, same}, 1},
		{"a message whose answer is lost", "Hello", []householdPerson{family, family}, func(attempt int) schoolbell.Result {
			if attempt == 1 {
				return schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "lost"}
			}
			return schoolbell.Result{Verdict: schoolbell.VerdictSent}
		}, []string{same, "uncertain"}, 2},
	}
}

func TestHouseholds(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		for mode, change := range map[string]func(*notify.Config){
			"in jobs":                 func(*notify.Config) {},
			"in jobs of one delivery": func(c *notify.Config) { c.BatchSize = 1 },
			"in place":                func(c *notify.Config) { c.InPlace = notify.SmallEvent },
		} {
			t.Run(mode+" on "+engine, func(t *testing.T) {
				t.Parallel()
				s := newTestPipelineOn(t, open(t), 0, change, func(c *notify.Config) { c.Households = true })
				s.workWith(wordyRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: notify.ForBothLanes(s.provider)})
				for i, c := range householdCases() {
					s.household(c, i)
				}
			})
		}
	}
}

// household sends the event of a case and compares.
func (s *testPipeline) household(c householdCase, number int) {
	s.t.Helper()
	ev := s.sendToHousehold(c, number)
	s.await(ev.ID, schoolbell.EventCompleted)
	rows, _, err := s.ledger.Reports.Deliveries(s.t.Context(), ev.ID, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, ledger.DeliveryCursor{}, 100)
	s.must(err)
	var got []string
	byUser := map[string]schoolbell.Delivery{}
	for _, d := range rows {
		got = append(got, strings.TrimSpace(string(d.Status)+" "+d.Reason))
		byUser[d.UserID] = d
	}
	slices.Sort(got)
	if !slices.Equal(got, c.want) {
		s.t.Errorf("%s: the deliveries are %q, want %q", c.name, got, c.want)
	}
	for _, d := range rows {
		first, ok := byUser[d.SameAs]
		if d.Reason == schoolbell.ReasonSameAddress && !ok || d.SameAs != "" && (first.SameAs != "" || first.Status == schoolbell.DeliverySuppressed) {
			s.t.Errorf("%s: %+v is the same as %+v", c.name, d, first)
		}
	}
	if n := s.provider.acceptedOf(ev.ID); n != c.sent {
		s.t.Errorf("%s: %d messages were accepted, want %d", c.name, n, c.sent)
	}
}

// acceptedOf counts the messages of an event that were accepted, with all repetitions.
func (p *provider) acceptedOf(event string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, times := range p.accepted {
		if strings.HasPrefix(id, event) {
			n += times
		}
	}
	return n
}

// sendToHousehold puts the people of a case and creates its event.
func (s *testPipeline) sendToHousehold(c householdCase, number int) *schoolbell.Event {
	s.t.Helper()
	var ids []string
	for i, p := range c.people {
		u := &schoolbell.User{ID: fmt.Sprintf("p%d-%02d", number, i), Name: fmt.Sprint("Person ", i), Email: fmt.Sprintf("%s-%d@school.example", p.address, number), Locale: p.locale,
			Roles: []schoolbell.Role{schoolbell.RoleStudent}}
		u.Normalize()
		_, err := s.ledger.People.PutUser(s.t.Context(), u)
		s.must(err)
		if p.off {
			s.must(s.ledger.People.PutPreferences(s.t.Context(), u.ID, []schoolbell.Preference{{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Mode: schoolbell.ModeOff}}))
		}
		hours, err := schoolbell.ParseQuietHours(p.quiet)
		s.must(err)
		s.must(s.ledger.Schedules.PutSchedule(s.t.Context(), u.ID, schoolbell.Schedule{QuietHours: hours}))
		ids = append(ids, u.ID)
	}
	attempt := 0
	s.provider.answers(func(schoolbell.Message) schoolbell.Result {
		attempt++
		if c.answer == nil {
			return schoolbell.Result{Verdict: schoolbell.VerdictSent}
		}
		return c.answer(attempt)
	})
	return s.create(func(ev *schoolbell.Event) {
		ev.Body, ev.Category, ev.Audience = c.body, schoolbell.CategoryEvent, schoolbell.Audience{Selector: schoolbell.Selector{Users: ids}}
	})
}

// With Households off, everybody gets a message.
func TestHouseholdsOff(t *testing.T) {
	t.Parallel()
	s := newTestPipeline(t, 0)
	s.workWith(wordyRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: notify.ForBothLanes(s.provider)})
	c := householdCases()[0]
	c.want, c.sent = []string{"sent", "sent"}, 2
	s.household(c, 0)
}

// Who is left alone until the morning does not keep others of the household waiting.
func TestHouseholdsAtNight(t *testing.T) {
	t.Parallel()
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			clock := &testClock{}
			s := newTestPipelineOn(t, open(t), 0, clocked(clock, nightSchool()), func(c *notify.Config) { c.Households = true })
			s.workWith(wordyRenderer{}, map[schoolbell.Channel]notify.Senders{schoolbell.ChannelEmail: notify.ForBothLanes(s.provider)})
			clock.set(time.Date(2027, 1, 15, 22, 0, 0, 0, time.UTC))
			family := householdPerson{address: "family", locale: "en"}
			awake := family
			awake.quiet = "00:00-00:00"
			ev := s.sendToHousehold(householdCase{body: "Hello", people: []householdPerson{family, awake, family}}, 0)
			testenv.Eventually(t, 40*time.Second, func() error {
				rows, _, err := s.ledger.Reports.Deliveries(t.Context(), ev.ID, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, ledger.DeliveryCursor{}, 5)
				var got []string
				for _, d := range rows {
					got = append(got, string(d.Status)+" "+d.Reason)
				}
				if want := []string{"pending quiet_hours", "sent ", "pending quiet_hours"}; err != nil || !slices.Equal(got, want) {
					return fmt.Errorf("the deliveries are %q, want %q (%v)", got, want, err)
				}
				return nil
			}, "who has no quiet hours gets the message")
		})
	}
}
