package browser

import (
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

func TestPanelProviders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("a test message is followed until it is taken", func(t *testing.T) { s.testTestMessage(t, admin) })
	t.Run("a refusal is shown in the provider's own words", func(t *testing.T) { s.testRefusedTest(t, admin) })
	t.Run("what cannot be sent is said at the field", func(t *testing.T) { s.testWrongTest(t, admin) })
	t.Run("providers and DNS are checked", func(t *testing.T) { s.testCheckProviders(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testProvidersAccessible(t, admin) })
}

func (s *site) testTestMessage(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440, script: true}, admin, "settings/providers")
	contains(t, p.text(), "SMTP, 127.0.0.1:", "Works", "up to 20 connections", "Nothing was sent in the last hour.")
	p.enters("form[action$='email/test']", nil) // to the admin's own address
	p.awaitText("The provider has taken the message. It does not tell whether messages arrive.")
	if newest := string(s.mail.NewestRaw()); !strings.Contains(newest, admin) {
		t.Errorf("the newest email is not to the admin:\n%s", newest)
	}
	if _, faults := p.noted(); len(faults) > 0 {
		t.Errorf("the page did what it may not: %v", faults)
	}
	p.picture("panel-provider-test-1440")
	p.visit(s.URL + "/panel/audit?action=channel.test")
	contains(t, p.text(), "Oswin Hale", "email")
	testenv.Eventually(t, patience, func() bool { // workers count for some seconds before they store
		p.visit(s.URL + "/panel/settings/providers")
		return strings.Contains(p.text(), "In the last hour: 1 sent, 0 failed.")
	}, "the test message is counted")
}

func (s *site) testRefusedTest(t *testing.T, admin string) {
	s.mail.Refuse(1, 550)
	defer s.mail.Refuse(1, 0)
	p := s.signsIn(t, device{width: 390}, admin, "settings/providers")
	p.enters("form[action$='email/test']", map[string]string{"to_email": system.Person(1)})
	var at string
	p.eval("location.pathname", &at)
	s.AwaitStatus(at[strings.LastIndexByte(at, '/')+1:], schoolbell.EventCompleted)
	p.visit(s.URL + at)
	contains(t, p.text(), "The message was not sent.", "550")
	p.picture("panel-provider-test-refused-390")
}

func (s *site) testWrongTest(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings/providers")
	for to, want := range map[string]string{"": "Say where the test goes", "office@localhost": "Email: ", "nobody": "Nobody has this id"} {
		contains(t, p.enters("form[action$='email/test']", map[string]string{"to_email": to}), "Nothing was saved", want)
	}
	_, _, err := s.Client.PutUser(t.Context(), schoolbell.User{ID: "no-address", Name: "Nia", Roles: []schoolbell.Role{schoolbell.RoleStudent}})
	must(t, err)
	contains(t, p.enters("form[action$='email/test']", map[string]string{"to_email": "no-address"}), "has no address on the channel email")
}

func (s *site) testCheckProviders(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "settings/providers")
	contains(t, p.follows("Check now"), "answers, TLS", "Sender check for", "SPF", "DKIM_DOMAIN is not set", "DMARC")
	p.picture("panel-providers-checked-1440")
}

func (s *site) testProvidersAccessible(t *testing.T, admin string) {
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "settings/providers")
		s.axeFindsNothing(t, p, "panel-providers-"+d.String())
		p.follows("Check now")
		s.axeFindsNothing(t, p, "panel-providers-checked-"+d.String())
		p.visit(s.URL + "/panel/settings/providers")
		p.enters("form[action$='email/test']", nil)
		s.axeFindsNothing(t, p, "panel-provider-test-"+d.String())
	}
}
