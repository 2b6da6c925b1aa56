package browser

import (
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// TestPanelHealth stops Redis while pages are open.
func TestPanelHealth(t *testing.T) {
	t.Parallel()
	redis := testenv.RedisServer(t, testenv.RedisOptions{})
	s := newSiteOn(t, system.Parts{Redis: redis.Addr})
	office := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleViewer)
	watched := s.signsIn(t, device{width: 1440, script: true}, office, "")
	watched.awaitText("All working")
	p := s.signsIn(t, device{width: 1440}, office, "people")
	contains(t, p.text(), "All working")
	phone := s.signsIn(t, device{width: 390, script: true}, office, "")
	phone.line(t, "All working", false)
	phone.picture("panel-health-up-390")

	redis.Stop()
	watched.awaitText("Redis is unavailable")
	phone.awaitText("Redis is unavailable")
	phone.line(t, "Redis is unavailable", true)
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
	for _, d := range devices {
		narrow := s.signsIn(t, d, office, "events")
		s.axeFindsNothing(t, narrow, "panel-health-"+d.String())
	}
	redis.Restart()
	watched.awaitText("All working")
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
