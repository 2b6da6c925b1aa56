package browser

import (
	"fmt"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const templatePath = "templates/announcement/email/en"

func TestPanelTemplates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.family(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("a name that is not known is corrected, and stored", func(t *testing.T) { s.testEditTemplate(t, admin) })
	t.Run("the preview follows the form and shows a person", func(t *testing.T) { s.testPreviewTemplate(t, admin) })
	t.Run("a test goes to the account", func(t *testing.T) { s.testTestTemplate(t, admin) })
	t.Run("emails in the frame cannot do anything", func(t *testing.T) { s.testTemplateFrame(t, admin) })
	t.Run("the HTML is shown without scripts", func(t *testing.T) { s.testTemplateFrameScriptless(t, admin) })
	t.Run("an earlier version is restored", func(t *testing.T) { s.testRestoreTemplate(t, admin) })
	t.Run("what somebody else stored is not lost", func(t *testing.T) { s.testTemplateConflict(t, admin) })
	t.Run("another language begins with the standard text", func(t *testing.T) { s.testNewLanguage(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testTemplatesAccessible(t, admin) })
	t.Run("viewers and senders see no templates", s.testTemplatesForOthers)
}

// arrives sends events until the email of one has a text: new templates are used for events that start a moment later.
func (s *site) arrives(t *testing.T, text string) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		s.AwaitStatus(s.creates(t, wire.NewEvent{Title: "Winter term", Body: "It ends on Friday.", Channels: []schoolbell.Channel{schoolbell.ChannelEmail}}, system.Person(0)), schoolbell.EventCompleted)
		if got := s.mail.Newest(); !strings.Contains(got, text) {
			return fmt.Errorf("the email says\n%s", got)
		}
		return nil
	}, "emails say %q", text)
}

// Without scripts, an admin makes a mistake, is told where it is, corrects it and stores the template.
func (s *site) testEditTemplate(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "templates")
	if got := p.text(); !strings.Contains(got, "Announcement, Email") || !strings.Contains(got, "Arabic") || strings.Contains(got, "The school's") {
		t.Fatalf("the list of templates:\n%s", got)
	}
	p.visit(s.URL + "/panel/" + templatePath)
	if got := p.text(); !strings.Contains(got, "The standard template is in use.") || !strings.Contains(got, "Swimming gala: new start time") || !strings.Contains(got, "Yara Mossfield") {
		t.Fatalf("the editor:\n%s", got)
	}
	p.fill(map[string]string{"subject": "Hill: {{event.title}}", "text": "Dear all,\n\n{{event.body}}\n\nSeen in {{event.loction}}\n"})
	p.goes(func() { p.eval("document.getElementById('save').click()", nil) })
	for _, want := range []string{"Nothing is stored yet", `Text: Line 5: there is no "event.loction"; did you mean "event.location"?`, "Seen in {{event.loction}}", "It cannot be shown yet."} {
		if got := p.text(); !strings.Contains(got, want) {
			t.Errorf("%q is not on the page:\n%s", want, got)
		}
	}
	var focused, kept string
	p.eval("document.activeElement.className", &focused)
	p.eval("document.getElementById('subject').value", &kept)
	if focused != "summary" || kept != "Hill: {{event.title}}" {
		t.Errorf("the focus is on %q, and the subject is %q", focused, kept)
	}
	p.picture("panel-template-fault-1440")
	p.fill(map[string]string{"text": "Dear all,\n\n{{event.body}}\n\nSeen in {{event.location|the school}}\n"})
	p.goes(func() { p.eval("document.getElementById('save').click()", nil) })
	if got := p.text(); !strings.Contains(got, "A new version is stored.") || !strings.Contains(got, "Version 1 is in use.") {
		t.Fatalf("stored:\n%s", got)
	}
	p.goes(func() { p.eval("document.getElementById('save').click()", nil) })
	if got := p.text(); !strings.Contains(got, "Nothing was stored: the text is as it was.") {
		t.Errorf("stored again:\n%s", got)
	}
	s.arrives(t, "Seen in the school")
	if got := string(s.mail.NewestRaw()); !strings.Contains(got, "Subject: Hill: Winter term") {
		t.Errorf("the email:\n%s", got)
	}
}

// write changes a field as people type.
func (p *tab) write(id, text string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("{ const field = document.getElementById(%q); field.value = %q; field.dispatchEvent(new Event('input', { bubbles: true })); }", id, text), nil)
}

func (s *site) testPreviewTemplate(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440, script: true}, admin, templatePath)
	p.write("subject", "For {{user.nam}}")
	p.awaitText(`Line 1: there is no "user.nam"; did you mean "user.name"?`)
	p.picture("panel-template-live-fault-1440")
	p.write("subject", "For {{user.name}}: {{event.title}}")
	p.awaitText("For Yara Mossfield: Swimming gala: new start time")
	p.eval("{ const find = document.querySelector('[name=find]'); find.value = 'par-20418'; find.dispatchEvent(new Event('input', { bubbles: true })); }", nil)
	p.awaitText("For Yara <b>Mossfield</b>: Swimming gala: new start time")
	var named string
	p.eval("document.querySelector('iframe').name", &named)
	if !strings.HasPrefix(named, "shown-") {
		t.Errorf("the frame is %q: it does not follow the form", named)
	}
	p.picture("panel-template-person-1440")
	p.eval("document.querySelector('button[title*=\"school.name\"]').click()", nil)
	var text string
	p.eval("document.querySelector('[name=html]').value", &text)
	if !strings.Contains(text, "{{school.name}}") {
		t.Errorf("no name was inserted:\n%s", text)
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
	scriptless := s.signsIn(t, device{width: 390}, admin, "templates/attendance/sms/en")
	scriptless.fill(map[string]string{"find": "par-20418", "text": "{{#each students}}{{name}} is absent. {{/each}}"})
	scriptless.goes(func() {
		scriptless.eval("[...document.querySelectorAll('button')].find(b => b.innerText === 'Find').click()", nil)
	})
	if got := scriptless.text(); !strings.Contains(got, "Nia Mossfield is absent.") || !strings.Contains(got, "1 segment") {
		t.Errorf("the preview without scripts:\n%s", got)
	}
}

func (s *site) testTestTemplate(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, templatePath)
	send := func() {
		p.goes(func() {
			p.eval("[...document.querySelectorAll('button')].find(b => b.innerText === 'Send me a test').click()", nil)
		})
	}
	p.fill(map[string]string{"subject": "Only a draft: {{event.title}}"})
	send()
	if got := p.text(); !strings.Contains(got, "The mail server has taken the test for head@hollowbrook.example.") {
		t.Errorf("after the test:\n%s", got)
	}
	if raw := string(s.mail.NewestRaw()); !strings.Contains(raw, "Subject: [Test] Only a draft: Swimming gala") || !strings.Contains(raw, "head@hollowbrook.example") || strings.Contains(raw, "List-Unsubscribe") {
		t.Errorf("the test:\n%s", raw)
	}
	s.mail.RefuseAddress(admin, 550)
	defer s.mail.RefuseAddress(admin, 0)
	send()
	if got := p.text(); !strings.Contains(got, "The mail server has refused the test for head@hollowbrook.example. It says: RCPT: 550 5.0.0 not here.") {
		t.Errorf("after a test that was refused:\n%s", got)
	}
}

func (s *site) testTemplateFrame(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440, script: true}, admin, templatePath)
	var got struct{ Policy, Text string }
	p.eval(`fetch(location.pathname + '/frame').then(async (r) => ({ policy: r.headers.get('content-security-policy'), text: await r.text() }))`, &got)
	for _, want := range []string{"; sandbox", "default-src 'none'", "frame-ancestors 'self'", "form-action 'none'"} {
		if !strings.Contains(got.Policy, want) {
			t.Errorf("the policy has no %s: %s", want, got.Policy)
		}
	}
	if strings.Contains(got.Policy, "script-src") || strings.Contains(got.Policy, "allow-") || !strings.Contains(got.Text, "Swimming gala") {
		t.Errorf("%+v", got)
	}
	var reachable bool
	p.eval("!!document.querySelector('iframe').contentDocument", &reachable)
	if reachable {
		t.Error("the email is of the origin of the panel")
	}
}

// Without scripts, a button shows the form as it is in the frame, and the frame can be narrow and dark.
func (s *site) testTemplateFrameScriptless(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, templatePath)
	p.fill(map[string]string{"html": "<p>Only here: {{event.title}}</p>"})
	p.goes(func() { p.eval("document.querySelector('button.push[formaction$=preview]').click()", nil) }) // the frame is empty then: it has no version to show
	p.eval("document.getElementById('show').click()", nil)
	testenv.Eventually(t, patience, func() error {
		if html := p.awaitFrame("/panel/" + templatePath + "/frame"); !strings.Contains(html, "Only here: Swimming gala") {
			return fmt.Errorf("the frame shows\n%s", html)
		}
		return nil
	}, "the frame shows the form")
	var wide, narrow float64
	width := "document.querySelector('iframe').getBoundingClientRect().width"
	p.eval(width, &wide)
	p.eval("document.querySelector('label[for=w-phone]').click(); document.querySelector('label[for=c-dark]').click()", nil)
	p.eval(width, &narrow)
	var scheme string
	p.eval("getComputedStyle(document.querySelector('iframe')).colorScheme", &scheme)
	if wide <= narrow || narrow > 400 || scheme != "dark" {
		t.Errorf("the frame is %v and then %v wide, %s", wide, narrow, scheme)
	}
	p.picture("panel-template-phone-dark-1440")
}

func (s *site) testRestoreTemplate(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, templatePath)
	if got := p.confirms("a[href$=reset]", "Use the standard template again?", "Version 1"); !strings.Contains(got, "The standard template is used for events") {
		t.Fatalf("back to the standard template:\n%s", got)
	}
	p.goes(func() { p.eval("document.querySelector('a[href$=\"version=1\"]').click()", nil) })
	if got := p.text(); !strings.Contains(got, "You are looking at version 1. The standard template is in use.") || !strings.Contains(got, "Hill: Swimming gala") {
		t.Errorf("an earlier version:\n%s", got)
	}
	p.visit(s.URL + "/panel/" + templatePath + "/compare?version=1")
	contains(t, p.text(), "Version 1 and the standard template", "removed", "added", "Hill: {{event.title}}")
	for _, d := range devices {
		on := s.signsIn(t, d, admin, templatePath+"/compare?version=1")
		s.axeFindsNothing(t, on, "panel-template-compare-"+d.String())
	}
	p.goes(func() { p.submit("form[action$=restore]") })
	if got := p.text(); !strings.Contains(got, "Version 3 is in use.") {
		t.Errorf("restored:\n%s", got)
	}
	p.picture("panel-template-versions-1440")
	p.visit(s.URL + "/panel/audit?action=template.put")
	if got := p.text(); !strings.Contains(got, "announcement/email/en") || !strings.Contains(got, "Oswin Hale") {
		t.Errorf("the audit log:\n%s", got)
	}
	s.arrives(t, "Seen in the school")
}

func (s *site) testTemplateConflict(t *testing.T, admin string) {
	mine := s.signsIn(t, device{width: 1440}, admin, "templates/event/sms/en")
	mine.fill(map[string]string{"text": "Mine: {{event.title}}"})
	_, err := s.Client.PutTemplate(t.Context(), schoolbell.TemplateKey{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelSMS, Locale: "en"}, wire.TemplateText{Text: "Theirs: {{event.title}}"})
	must(t, err)
	mine.goes(func() { mine.eval("document.getElementById('save').click()", nil) })
	if got := mine.text(); !strings.Contains(got, "Somebody else has changed this template") || !strings.Contains(got, "Mine: Swimming gala") {
		t.Errorf("the page:\n%s", got)
	}
	mine.goes(func() { mine.eval("document.getElementById('save').click()", nil) })
	if got := mine.text(); !strings.Contains(got, "A new version is stored.") {
		t.Errorf("saved again:\n%s", got)
	}
}

func (s *site) testNewLanguage(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "templates")
	p.fill(map[string]string{"language": "pt-br"})
	p.goes(func() {
		p.eval("[...document.querySelectorAll('button')].find(b => b.innerText === 'Write it').click()", nil)
	})
	if got := p.text(); !strings.Contains(got, "Announcement, Email, Portuguese (pt-BR)") {
		t.Errorf("the editor:\n%s", got)
	}
	p.fill(map[string]string{"subject": "Escola: {{event.title}}"})
	p.goes(func() { p.eval("document.getElementById('save').click()", nil) })
	p.visit(s.URL + "/panel/templates?show=missing")
	if got := p.text(); !strings.Contains(got, "Missing") || strings.Contains(got, "Announcement, Email\n") {
		t.Errorf("what is missing:\n%s", got)
	}
	p.visit(s.URL + "/panel/templates")
	p.picture("panel-templates-1440")
}

func (s *site) testTemplatesAccessible(t *testing.T, admin string) {
	pages := map[string]string{"templates": "templates", "template": templatePath, "template-sms": "templates/event/sms/ar", "template-push": "templates/urgent/push/en"}
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "")
		for name, page := range pages {
			p.visit(s.URL + "/panel/" + page)
			s.axeFindsNothing(t, p, "panel-"+name+"-"+d.String())
		}
	}
}

func (s *site) testTemplatesForOthers(t *testing.T) {
	for email, role := range map[string]schoolbell.StaffRole{"office@hollowbrook.example": schoolbell.RoleSender, "viewer@hollowbrook.example": schoolbell.RoleViewer} {
		p := s.signsIn(t, device{width: 1440}, s.account(t, email, "Mara Tennick", role), "")
		if got := p.text(); strings.Contains(got, "Templates") {
			t.Errorf("a %s is offered\n%s", role, got)
		}
		for _, page := range []string{"templates", templatePath} {
			p.visit(s.URL + "/panel/" + page)
			if got := p.text(); !strings.Contains(got, "Your role does not allow this") {
				t.Errorf("a %s sees\n%s", role, got)
			}
		}
	}
}
