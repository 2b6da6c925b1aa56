package browser

import (
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// TestPanelHealth stops what the server runs on while pages are open.
func TestPanelHealth(t *testing.T) {
	t.Parallel()
	t.Run("every page says that Redis is unavailable", testHealthRedis)
	t.Run("emails wait for the mail server", testHealthMail)
	t.Run("open pages say that the ledger is unavailable", testHealthLedger)
}

func testHealthRedis(t *testing.T) {
	t.Parallel()
	redis := testenv.RedisServer(t, testenv.RedisOptions{})
	s := newSiteOn(t, system.Parts{Redis: redis.Addr})
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleViewer)
	watched := s.signsIn(t, device{width: 1440, script: true}, office, "")
	watched.awaitText("All working")
	watched.outages(t, "All working")
	p := s.signsIn(t, device{width: 1440}, office, "people")
	contains(t, p.text(), "All working")
	phone := s.signsIn(t, device{width: 390, script: true}, office, "")
	phone.line(t, "All working", false)
	phone.picture("panel-health-up-390")

	redis.Stop()
	watched.awaitText("Redis has been unavailable since ")
	watched.outages(t, "Events are accepted and kept in the ledger. They are sent when it is back, urgent ones first.", "Nothing is lost.", "What it runs on")
	phone.awaitText("Redis has been unavailable since ")
	phone.line(t, "Redis is unavailable", false)
	for _, page := range []string{"people", "events", "account"} {
		p.visit(s.URL + "/panel/" + page)
		contains(t, p.text(), "Redis is unavailable")
	}
	p.clicks(".health")
	var at, title string
	p.eval("location.pathname + location.hash", &at)
	p.eval("document.querySelector(location.hash + ' h2').textContent", &title)
	if at != "/panel/#health" || title != "What it runs on" {
		t.Errorf("the line leads to %s, %q", at, title)
	}
	p.outages(t, "Redis has been unavailable since ", "Nothing is lost.")
	s.creates(t, gala(), system.Person(0))
	for _, d := range devices {
		narrow := s.signsIn(t, d, office, "events")
		if d.width == 390 {
			narrow.line(t, "Redis is unavailable", true)
		}
		s.axeFindsNothing(t, narrow, "panel-health-"+d.String())
		narrow.visit(s.URL + "/panel/")
		s.axeFindsNothing(t, narrow, "panel-outage-"+d.String())
	}
	redis.Restart()
	watched.awaitText("All working")
	watched.outages(t, "All working")
}

func testHealthMail(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	before := system.NewHangUp(t, mail.Addr())
	s := startSite(t, system.Parts{SMTP: before.Addr()}, mail)
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleViewer)
	watched := s.signsIn(t, device{width: 390, script: true}, office, "")
	watched.outages(t, "All working")
	before.At("EHLO")
	watched.awaitText("Email has been unavailable since ")
	watched.outages(t, "Emails wait and are sent when it is back. Other channels go on.", "Nothing is lost.")
	id := s.creates(t, gala(), system.Person(0))
	before.At("")
	watched.awaitText("All working")
	s.AwaitStatus(id, schoolbell.EventCompleted)
	ev, err := s.Client.Event(t.Context(), id)
	must(t, err)
	if n := ev.Progress.Channels[schoolbell.ChannelEmail].Sent; n != 1 {
		t.Errorf("%d emails were sent", n)
	}
}

func testHealthLedger(t *testing.T) {
	t.Parallel()
	database := testenv.PostgresServer(t, testenv.PostgresOptions{})
	s := newSiteOn(t, system.Parts{Database: database.Database()})
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleViewer)
	watched := s.signsIn(t, device{width: 1440, script: true}, office, "")
	watched.awaitText("Live") // without the ledger, no stream can begin
	database.Stop()
	watched.awaitText("Ledger has been unavailable since ")
	watched.outages(t, "Events cannot be accepted, and nothing is sent. What was accepted is sent when it is back.")
	watched.awaitText("Ledger\nfailed; the log has the cause\nUnavailable")
	watched.picture("panel-outage-ledger-1440")
	database.Restart()
	watched.awaitText("All working")
}

// outages expects what the overview says of outages, in a part that screen readers announce.
func (p *tab) outages(t *testing.T, says ...string) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		var text string
		p.eval("document.querySelector('main [role=status].outages').innerText", &text)
		for _, want := range says {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%q is not in\n%s", want, text)
			}
		}
		return nil
	}, "the overview says what is unavailable")
}

// line expects what the line at the top of a phone says, and that it takes a row of its own only if something does not work.
func (p *tab) line(t *testing.T, says string, row bool) {
	t.Helper()
	var got struct {
		Text        string
		Wide, Shown bool
	}
	p.eval(`(() => {
		const line = document.querySelector('.phone-top .health'), box = line.getBoundingClientRect();
		return {text: line.textContent.trim(), wide: box.width > 200, shown: line.checkVisibility() && box.right <= innerWidth};
	})()`, &got)
	if got.Text != says || got.Wide != row || !got.Shown {
		t.Errorf("the line is %+v, want %q, in a row of its own: %v", got, says, row)
	}
}
