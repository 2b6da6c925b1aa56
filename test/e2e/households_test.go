package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// Parents with one address get one email if theirs would read the same.
func TestHouseholds(t *testing.T) {
	t.Parallel()
	t.Run("SQLite with the embedded queue", func(t *testing.T) {
		t.Parallel()
		householdsAgree(t, system.Parts{}, false)
	})
	t.Run("PostgreSQL and Redis with a worker", func(t *testing.T) {
		t.Parallel()
		householdsAgree(t, system.Parts{Database: testenv.Postgres(t), Redis: testenv.Redis(t)}, true)
	})
	t.Run("switched off", func(t *testing.T) {
		t.Parallel()
		f := newFamily(t, system.Parts{Settings: []string{"HOUSEHOLDS=false"}}, false)
		f.tells(urgentNews(), "mum sent", "dad sent", "oma sent", "papa sent")
		f.got(2+1, 1)
	})
}

// family is a school with Yara and Tom, who have one address, the grandmother Rosa, who has it too and reads Spanish, and Pedro.
type family struct {
	*system.School
	t    *testing.T
	mail *system.Mail
	seen [2]int // emails to the family and to Pedro so far
}

func newFamily(t *testing.T, parts system.Parts, worker bool) *family {
	t.Helper()
	f := &family{t: t, mail: system.NewMail(t)}
	parts.SMTP, parts.Settings = f.mail.Addr(), append(parts.Settings, "SCHOOL_NAME=Hill", "PUBLIC_URL=http://bell.hill.example", "JOB_BACKOFF=100ms")
	f.School = system.New(t, parts)
	running := []*system.Process{f.Serve()}
	if worker {
		running = append(running, f.Worker("one"))
	}
	t.Cleanup(func() {
		for _, p := range running {
			p.Stop()
		}
	})
	f.AwaitReady()
	parent := []schoolbell.Role{schoolbell.RoleParent}
	for _, u := range []schoolbell.User{
		{ID: "mum", Name: "Yara Mossfield", Email: system.Address(1), Roles: parent},
		{ID: "dad", Name: "Tom Mossfield", Email: strings.ToUpper(system.Address(1)[:1]) + system.Address(1)[1:], Roles: parent},
		{ID: "oma", Name: "Rosa Mossfield", Email: system.Address(1), Roles: parent, Locale: "es"},
		{ID: "papa", Name: "Pedro Quill", Email: system.Address(2), Roles: parent},
	} {
		_, _, err := f.Client.PutUser(t.Context(), u)
		must(t, err)
	}
	return f
}

// urgentNews greets nobody, so its emails differ by language only.
func urgentNews() wire.NewEvent {
	return wire.NewEvent{Title: "School is closed", Body: "Snow.", Category: schoolbell.CategoryUrgent, Channels: []schoolbell.Channel{schoolbell.ChannelInApp, schoolbell.ChannelEmail},
		Texts:    map[string]schoolbell.EventText{"es": {Title: "La escuela está cerrada", Body: "Nieve."}},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent}}}}
}

// tells creates an event and compares its emails: the person, the status, and the reason with the first person.
func (f *family) tells(news wire.NewEvent, want ...string) (id string) {
	f.t.Helper()
	preview, err := f.Client.PreviewEvent(f.t.Context(), news, "", "")
	must(f.t, err)
	ev, err := f.Client.CreateEvent(f.t.Context(), news)
	must(f.t, err)
	f.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	f.are(ev.ID, want...)
	followers := 0
	for _, w := range want {
		if strings.Contains(w, " as ") {
			followers++
		}
	}
	if c := preview.Channels[1]; c.Messages != len(want)-followers || c.LeftOut != followers || preview.LeftOut != 0 || followers > 0 && c.Reasons[0].Reason != schoolbell.ReasonSameAddress {
		f.t.Errorf("the preview is %+v, and %d of %d follow others", c, followers, len(want))
	}
	return ev.ID
}

// are compares the emails of an event.
func (f *family) are(id string, want ...string) {
	f.t.Helper()
	if got := f.emails(id); !slices.Equal(got, want) {
		f.t.Errorf("the emails are %q, want %q", got, want)
	}
}

// emails tells how the emails of an event are doing.
func (f *family) emails(id string) (got []string) {
	f.t.Helper()
	page, err := f.Client.Deliveries(f.t.Context(), id, schoolbell.DeliveryFilter{Channel: schoolbell.ChannelEmail}, client.Page{})
	must(f.t, err)
	for _, d := range page.Deliveries {
		text := d.UserID + " " + string(d.Status)
		if d.SameAs != "" {
			text += " " + d.Reason + " as " + d.SameAs
		}
		got = append(got, text)
	}
	return got
}

// got compares how many emails arrived since it was called before.
func (f *family) got(family, pedro int) {
	f.t.Helper()
	texts := f.mail.Texts()
	upper := strings.ToUpper(system.Person(1)[:1]) + system.Person(1)[1:]
	now := [2]int{len(texts[system.Person(1)]) + len(texts[upper]), len(texts[system.Person(2)])}
	if now != [2]int{f.seen[0] + family, f.seen[1] + pedro} {
		f.t.Errorf("the family got %d emails and Pedro %d, want %d and %d", now[0]-f.seen[0], now[1]-f.seen[1], family, pedro)
	}
	f.seen = now
}

func householdsAgree(t *testing.T, parts system.Parts, worker bool) {
	t.Helper()
	f := newFamily(t, parts, worker)
	id := f.tells(urgentNews(), "mum sent", "dad suppressed same_address as mum", "oma sent", "papa sent")
	f.got(2, 1)
	shows(t, f.Does("event", "deliveries", id, "--channel", "email"), "same_address (as mum)")
	export := f.Does("user", "export", "dad")
	shows(t, export, `"same_as":"mum"`)

	english := urgentNews()
	english.Texts = nil
	f.tells(english, "mum sent", "dad suppressed same_address as mum", "oma suppressed same_address as mum", "papa sent") // who reads Spanish gets English too
	f.got(1, 1)
	named := english
	named.Category = schoolbell.CategoryAnnouncement // begins with the name of the recipient
	f.tells(named, "mum sent", "dad sent", "oma sent", "papa sent")
	f.got(3, 1)
	personal := english
	personal.Body, personal.Personal = "Please bring {{data.what|water}}.", []schoolbell.PersonData{{User: "dad", Data: []byte(`{"what": "a rope"}`)}}
	f.tells(personal, "mum sent", "dad sent", "oma suppressed same_address as mum", "papa sent")
	f.got(2, 1)

	f.mail.Refuse(1, 451)
	slow, err := f.Client.CreateEvent(t.Context(), urgentNews())
	must(t, err)
	between := []string{"mum pending", "dad pending same_address as mum", "oma pending", "papa sent"}
	testenv.Eventually(t, time.Minute, func() error { // it may be tried again at any moment
		if got := f.emails(slow.ID); !slices.Equal(got, between) {
			return fmt.Errorf("the emails are %q", got)
		}
		return nil
	}, "the others wait for the first email")
	f.mail.Refuse(1, 0)
	f.AwaitStatus(slow.ID, schoolbell.EventCompleted)
	f.are(slow.ID, "mum sent", "dad suppressed same_address as mum", "oma sent", "papa sent")
	f.got(2, 1)

	f.mail.Refuse(1, 554)
	failed, err := f.Client.CreateEvent(t.Context(), urgentNews())
	must(t, err)
	f.AwaitStatus(failed.ID, schoolbell.EventCompleted)
	page, err := f.Client.Deliveries(t.Context(), failed.ID, schoolbell.DeliveryFilter{Status: schoolbell.DeliveryFailed}, client.Page{})
	must(t, err)
	if len(page.Deliveries) != 3 || page.Deliveries[1].SameAs != "mum" || page.Deliveries[1].Attempts != 0 || page.Deliveries[1].Reason != page.Deliveries[0].Reason {
		t.Errorf("failed are %+v", page.Deliveries)
	}
	f.got(0, 1)
	number := f.Ledger.Count("SELECT seq FROM users WHERE id = $1", "mum")
	if n := f.Ledger.Count("SELECT count(*) FROM household_messages WHERE user_seq = $1", number); n == 0 {
		t.Error("the ledger does not know for whom the emails to mum were sent too")
	}
	must(t, f.Client.DeleteUser(t.Context(), "mum"))
	if n := f.Ledger.Count("SELECT count(*) FROM household_messages WHERE user_seq = $1", number); n != 0 {
		t.Errorf("%d rows are left of mum", n)
	}
}

// An email to a family comes back when its event has long ended. Webhooks are told of everybody whom it was for.
func TestHouseholdsBounce(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, func(t *testing.T, parts system.Parts) {
		parts.Settings = []string{"OUTBOUND_ALLOW=127.0.0.1/32", "RECEIPT_SECRET=" + bounceSecret, "BOUNCE_DOMAIN=" + bounceDomain}
		f := newFamily(t, parts, parts.Redis != "")
		r := system.NewReceiver(t)
		r.Subscribe(f.School, schoolbell.WebhookEventCompleted, schoolbell.WebhookDeliveryBounced, schoolbell.WebhookDeliveryFailed)
		news := urgentNews()
		news.Texts = nil
		id := f.tells(news, "mum sent", "dad suppressed same_address as mum", "oma suppressed same_address as mum", "papa sent")
		told := func(want ...string) {
			t.Helper()
			testenv.Eventually(t, time.Minute, func() error {
				if got := toldTo(r); !slices.Equal(got, want) {
					return fmt.Errorf("the webhook is told %q, want %q", got, want)
				}
				return nil
			}, "the webhook is told")
		}
		told("event.completed")
		var back string
		for _, l := range f.mail.Letters(id) {
			if l.User == system.Person(1) {
				back = notification(l.From, system.Address(1))
			}
		}
		for range 2 { // the second time, nothing is new
			if code := postMail(t, f.School, back); code != 200 {
				t.Fatalf("the bounce is answered with %d", code)
			}
		}
		told("delivery.bounced mum bounced", "delivery.failed dad failed", "delivery.failed oma failed", "event.completed")
		const reason = "5.1.1 550 5.1.1 [address] is unknown as mum"
		f.are(id, "mum sent", "dad failed "+reason, "oma failed "+reason, "papa sent")
		ev, err := f.Client.Event(t.Context(), id)
		must(t, err)
		if c := ev.Progress.Channels[schoolbell.ChannelEmail]; c.Total != 4 || c.Failed != 2 || c.Sent != 2 {
			t.Errorf("the progress is %+v", c)
		}
	})
}

// toldTo returns what a receiver has been told, in alphabetical order.
func toldTo(r *system.Receiver) (told []string) {
	for _, m := range r.Messages() {
		if len(m.Data.Deliveries) == 0 {
			told = append(told, string(m.Type))
		}
		for _, d := range m.Data.Deliveries {
			told = append(told, fmt.Sprint(m.Type, " ", d.UserID, " ", d.Status))
		}
	}
	slices.Sort(told)
	return told
}
