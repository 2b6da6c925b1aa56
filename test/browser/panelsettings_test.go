package browser

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

func TestPanelSettings(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, system.Parts{Settings: []string{"OUTBOUND_ALLOW=127.0.0.1/32"}})
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("the school changes what it says about itself", func(t *testing.T) { s.testSchoolSettings(t, admin) })
	t.Run("two admins do not overwrite each other", func(t *testing.T) { s.testSettingsTwice(t, admin) })
	t.Run("a category is added, changed and removed", func(t *testing.T) { s.testCategories(t, admin) })
	t.Run("a key is made, replaced and revoked", func(t *testing.T) { s.testKeys(t, admin) })
	t.Run("a webhook is added, tested and removed", func(t *testing.T) { s.testWebhooks(t, admin) })
	t.Run("rows are kept for as long as the school says", func(t *testing.T) { s.testRetention(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testSettingsAccessible(t, admin) })
	t.Run("senders and viewers see no settings", s.testSettingsForOthers)
}

// enters fills in a form and sends it. The browser checks none of its fields.
func (p *tab) enters(form string, fields map[string]string) string {
	p.t.Helper()
	p.fill(fields)
	p.eval(fmt.Sprintf("document.querySelector(%q).noValidate = true", form), nil)
	p.goes(func() { p.submit(form) })
	return p.text()
}

// follows clicks the link that has a text.
func (p *tab) follows(text string) string {
	p.t.Helper()
	p.goes(func() {
		p.eval(fmt.Sprintf("[...document.querySelectorAll('main a')].find(a => a.innerText.includes(%q)).click()", text), nil)
	})
	return p.text()
}

// contains expects that a page shows texts.
func contains(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
}

func (s *site) testSchoolSettings(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings")
	contains(t, p.enters("main form", map[string]string{"name": "", "logo": "http://school.example/logo.png", "colours_primary": "blue", "timezone": "Europe/Hollowbrook", "signature": "The office"}),
		"Nothing was saved", "Name: ", "Logo: Must be an https URL", "Main colour: Must be a colour such as", "Time zone: Must be an IANA time zone")
	var kept string
	p.eval("document.querySelector('[name=colours_primary]').value + '|' + document.querySelector('[name=signature]').value + '|' + document.activeElement.className", &kept)
	if kept != "blue|The office|summary" {
		t.Errorf("what was typed, and where the focus is: %s", kept)
	}
	p.picture("panel-settings-faults-1440")
	contains(t, p.enters("main form", map[string]string{"name": "Hollowbrook <b>School</b>", "logo": "https://school.example/logo.png", "colours_primary": "#1C5FB8", "timezone": "Europe/Zurich",
		"quiet_hours_from": "21:00", "quiet_hours_to": "07:00"}), "Saved.")
	stored, err := s.Client.Settings(t.Context())
	must(t, err)
	if stored.Name != "Hollowbrook <b>School</b>" || stored.Colours.Primary != "#1c5fb8" || stored.Timezone != "Europe/Zurich" || stored.QuietHours.To != "07:00" || stored.Signature != "The office" {
		t.Errorf("stored: %+v", stored)
	}
	p.visit(s.URL + "/panel/audit?action=settings.put")
	contains(t, p.text(), "Oswin Hale", "timezone")
}

func (s *site) testSettingsTwice(t *testing.T, admin string) {
	one, two := s.signsIn(t, device{width: 1440}, admin, "settings"), s.signsIn(t, device{width: 1440}, admin, "settings/retention")
	contains(t, two.enters("main form", map[string]string{"retention_inbox": "9000d"}), "Saved.")
	contains(t, one.enters("main form", map[string]string{"name": "Hollowbrook"}), "Nothing was saved", "The settings were changed after this page was made")
	contains(t, one.enters("main form", nil), "Saved.")
	stored, err := s.Client.Settings(t.Context())
	must(t, err)
	if stored.Name != "Hollowbrook" || stored.Retention.Inbox != "9000d" {
		t.Errorf("stored: %+v", stored)
	}
}

func (s *site) testCategories(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings/categories")
	contains(t, p.text(), "Announcement", "Urgent", "In app, Email")
	contains(t, p.enters("main form", map[string]string{"id": "School Trips", "name": "Trips", "position": "far"}), "Id: Must be 1 to 64 lower-case letters", "Position: Must be between 0 and")
	contains(t, p.enters("main form", map[string]string{"id": "urgent", "name": "Trips", "position": "70"}), "Another category has this id")
	contains(t, p.enters("main form", map[string]string{"id": "trips", "name": "Trips", "position": "70"}), "The category is saved", "Trips")
	p.follows("Trips")
	p.eval("document.querySelectorAll('[name=channels]').forEach(e => e.checked = e.value === 'email')", nil)
	contains(t, p.enters("main form", map[string]string{"name": "Trips and camps"}), "Trips and camps")
	stored, err := s.Client.Categories(t.Context())
	must(t, err)
	if last := stored[len(stored)-1]; last.ID != "trips" || last.Name != "Trips and camps" || len(last.Channels) != 1 || last.Position != 70 {
		t.Errorf("stored: %+v", last)
	}
	p.follows("Trips and camps")
	contains(t, p.confirms("a[href$=remove]", "Remove this category?", "Trips and camps"), "The category is removed")
	if text := p.follows("Urgent"); strings.Contains(text, "Remove the category") || !strings.Contains(text, "built in") {
		t.Errorf("a built-in category:\n%s", text)
	}
}

func (s *site) testKeys(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings/keys")
	contains(t, p.enters("main form", map[string]string{"name": "", "expires_at": ""}), "Name: Say which program uses the key")
	contains(t, p.enters("main form", map[string]string{"name": "Bus app", "expires_at": "2020-01-01"}), "Must be in the future")
	contains(t, p.enters("main form", map[string]string{"name": "Bus app", "expires_at": ""}), "The key “Bus app”", "It is shown once")
	p.picture("panel-secret-1440")
	first := p.secret()
	_, err := s.As(first).Categories(t.Context())
	must(t, err)
	if text := p.follows("I have copied it"); strings.Contains(text, first) {
		t.Errorf("the secret is shown again:\n%s", text)
	}
	p.follows("Bus app")
	contains(t, p.enters("form[action$=rotate]", nil), "The new secret of “Bus app”", "The secret before works until")
	second := p.secret()
	for _, secret := range []string{first, second} {
		_, err := s.As(secret).Categories(t.Context())
		must(t, err)
	}
	p.visit(s.URL + "/panel/settings/keys")
	p.goes(func() {
		p.eval("[...document.querySelectorAll('tbody tr')].find(r => r.innerText.includes('Bus app') && !r.innerText.includes('replaced')).querySelector('a').click()", nil)
	})
	contains(t, p.confirms("a[href$=revoke]", "Revoke this key?", "Bus app", "Last used"), "The key is revoked")
	testenv.Eventually(t, patience, func() error {
		if _, err := s.As(second).Categories(t.Context()); err == nil {
			return errors.New("it is taken")
		}
		return nil
	}, "the key is refused")
	p.visit(s.URL + "/panel/audit?action=key.create")
	contains(t, p.text(), "Oswin Hale", "127.0.0.1", "Bus app")
	p.visit(s.URL + "/panel/audit?action=key.revoke")
	contains(t, p.text(), "Oswin Hale", "Bus app")
}

// secret is the secret that the page shows.
func (p *tab) secret() (secret string) {
	p.t.Helper()
	p.eval("document.querySelector('input[readonly]').value", &secret)
	return secret
}

// hooked is the receiver of a webhook. It replies with a status.
type hooked struct {
	*httptest.Server
	status, requests atomic.Int32
}

func newHooked(t *testing.T) *hooked {
	h := &hooked{}
	h.status.Store(http.StatusNoContent)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h.requests.Add(1)
		w.WriteHeader(int(h.status.Load()))
	}))
	t.Cleanup(h.Close)
	return h
}

func (s *site) testWebhooks(t *testing.T, admin string) {
	receiver := newHooked(t)
	p := s.signsIn(t, device{width: 1440}, admin, "settings/webhooks")
	p.eval("document.querySelectorAll('[name=types]').forEach(e => e.checked = false)", nil)
	contains(t, p.enters("main form", map[string]string{"url": "ftp://app.example"}), "URL: Must be a URL such as", "Messages: Must name at least one type")
	p.eval("document.querySelectorAll('[name=types]').forEach(e => e.checked = e.value === 'event.completed')", nil)
	contains(t, p.enters("main form", map[string]string{"url": "http://192.0.2.1/hooks"}), "URL: May not be called")
	contains(t, p.enters("main form", map[string]string{"url": receiver.URL + "/hooks", "description": "Notice board"}), "The secret of the new webhook", "It is shown once")
	if secret := p.secret(); !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("the secret: %s", secret)
	}
	contains(t, p.follows("I have copied it"), "Notice board", "Nothing was sent to it yet")
	contains(t, p.enters("form[action$=test]", nil), "The receiver has taken the test", "taken, 204")
	receiver.status.Store(http.StatusBadGateway)
	contains(t, p.enters("form[action$=test]", nil), "The receiver has not taken the test", "502")
	p.picture("panel-webhook-1440")
	if n := receiver.requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
	contains(t, p.enters("form[action$=switch]", nil), "Switch on", "Off")
	p.visit(s.URL + "/panel/settings/webhooks")
	contains(t, p.text(), "an event is completed", "Off")
	p.follows(receiver.URL)
	contains(t, p.confirms("a[href$=remove]", "Remove this webhook?", receiver.URL, "Notice board", "0 messages"), "The webhook is removed", "No other program is told")
	p.visit(s.URL + "/panel/audit?action=webhook.create")
	contains(t, p.text(), "Oswin Hale")
}

func (s *site) testRetention(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings/retention")
	contains(t, p.text(), "The server keeps them for 400d")
	contains(t, p.enters("main form", map[string]string{"retention_audit": "1h", "retention_events": "two years"}), "Audit log: Must be from 1d", "Events: Must be from 1d")
	contains(t, p.enters("main form", map[string]string{"retention_audit": "1095d", "retention_events": "forever"}), "Saved.")
	contains(t, p.enters("main form", map[string]string{"retention_audit": "800d", "retention_inbox": "10d"}), "Keep less than before?", "800d instead of 1095d", "10d instead of 9000d", "removed within minutes")
	p.picture("panel-retention-confirm-1440")
	p.follows("Leave it")
	var audit string
	p.eval("document.querySelector('[name=retention_audit]').value", &audit)
	if audit != "1095d" {
		t.Errorf("the audit is kept for %s", audit)
	}
	p.fill(map[string]string{"retention_inbox": "10d"})
	p.goes(func() { p.submit("main form") })
	p.goes(func() { p.submit("main form") })
	contains(t, p.text(), "Saved.")
	stored, err := s.Client.Settings(t.Context())
	must(t, err)
	if stored.Retention.Inbox != "10d" {
		t.Errorf("stored: %+v", stored.Retention)
	}
	if stored.Retention.Audit != "1095d" || stored.Retention.Events != schoolbell.Forever {
		t.Errorf("stored: %+v", stored.Retention)
	}
}

func (s *site) testSettingsAccessible(t *testing.T, admin string) {
	_, err := s.Client.AddWebhook(t.Context(), wire.NewWebhook{URL: "http://127.0.0.1:9/hooks", Types: schoolbell.WebhookTypes()})
	must(t, err)
	pages := map[string]string{"settings": "settings", "settings-categories": "settings/categories", "settings-category": "settings/categories/urgent",
		"settings-keys": "settings/keys", "settings-webhooks": "settings/webhooks", "settings-retention": "settings/retention"}
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "")
		for name, page := range pages {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-"+name+"-"+d.String())
		}
		for _, section := range []string{"keys", "webhooks"} {
			p.visit(s.URL + "/panel/settings/" + section)
			p.goes(func() { p.eval("document.querySelector('a.lead').click()", nil) })
			s.axeFindsNothing(t, p, "panel-settings-one-of-"+section+"-"+d.String())
		}
	}
}

func (s *site) testSettingsForOthers(t *testing.T) {
	for _, role := range []schoolbell.StaffRole{schoolbell.RoleViewer, schoolbell.RoleSender} {
		p := s.signsIn(t, device{width: 1440}, s.account(t, string(role)+"@hollowbrook.example", "Lene Abrook", role), "settings")
		contains(t, p.text(), "Your role does not allow this")
		p.visit(s.URL + "/panel/")
		if text := p.text(); strings.Contains(text, "Settings") {
			t.Errorf("a %s is offered\n%s", role, text)
		}
	}
}
