package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

const (
	bounceSecret = "3c1d8e7f6a5b4c3d2e1f0a9b"
	bounceDomain = "bounces.hill.example"
)

func TestBounces(t *testing.T) {
	t.Parallel()
	system.OnBothEngines(t, emailComesBack)
}

// emailComesBack sends an event by SMTP. The emails to the first two people come back, one over HTTP and one over SMTP;
// the third person complains. The next event reaches only the fourth.
func emailComesBack(t *testing.T, parts system.Parts) {
	t.Helper()
	mail, smtpAddr := system.NewMail(t), net.JoinHostPort("127.0.0.1", strconv.Itoa(testenv.FreePort(t)))
	parts.SMTP, parts.Settings = mail.Addr(), []string{"RECEIPT_SECRET=" + bounceSecret, "BOUNCE_DOMAIN=" + bounceDomain, "BOUNCE_ADDR=" + smtpAddr}
	s := system.New(t, parts)
	running := s.StartProcesses()
	s.Import(4)
	first := emailEverybody(t, s)
	senders := map[string]string{} // by person
	for _, l := range mail.Letters(first) {
		senders[l.User] = l.From
		if local, domain, _ := strings.Cut(l.From, "@"); domain != bounceDomain || len(local) > 64 {
			t.Errorf("envelope sender %q", l.From)
		}
	}
	bounce := func(n int) string { return notification(senders[system.Person(n)], system.Address(n)) }
	forged := "b+" + strings.Repeat("a", 50) + "@" + bounceDomain
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"a bounce", bounce(0), 200}, {"the same again", bounce(0), 200}, {"a complaint", complaint(senders[system.Person(2)], system.Address(2)), 200},
		{"a forged token", notification(forged, system.Address(3)), 403}, {"no token", notification("office@hill.example", system.Address(3)), 403},
	} {
		if code := postMail(t, s, c.body); code != c.want {
			t.Errorf("%s is answered with %d, want %d", c.name, code, c.want)
		}
	}
	for _, c := range []struct {
		name, from, to string
		want           int
	}{
		{"a bounce", "", senders[system.Person(1)], 0}, {"the same again", "", senders[system.Person(1)], 0},
		{"a forged token", "", forged, 550}, {"a sender", "eve@evil.example", senders[system.Person(3)], 550},
	} {
		if code := sendMail(t, smtpAddr, c.from, c.to, bounce(1)); code != c.want {
			t.Errorf("%s by SMTP is answered with %d, want %d", c.name, code, c.want)
		}
	}
	want := []string{"bounced bounced", "bounced bounced", "complained complained", " unverified"}
	if got := outcomes(t, s, first); !slices.Equal(got, want) {
		t.Errorf("outcomes and addresses %q, want %q", got, want)
	}
	second := emailEverybody(t, s)
	got := s.AwaitStatus(second, schoolbell.EventCompleted).Progress.Channels[schoolbell.ChannelEmail]
	if want := (schoolbell.ChannelProgress{Total: 4, Sent: 1, Suppressed: 3}); got != want {
		t.Errorf("progress of the next event %+v, want %+v", got, want)
	}
	waiting, err := net.Dial("tcp", smtpAddr) // does not keep serve from ending
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	for _, p := range running {
		p.Stop()
		for _, private := range []string{bounceSecret, "people.hill.example", senders[system.Person(0)]} {
			if strings.Contains(p.Output(), private) {
				t.Errorf("the log tells %s", private)
			}
		}
	}
}

func emailEverybody(t *testing.T, s *system.School) (id string) {
	t.Helper()
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "Sports day", Body: "On Friday.", Channels: []schoolbell.Channel{schoolbell.ChannelEmail},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: schoolbell.Roles()}}})
	if err != nil {
		t.Fatal(err)
	}
	s.AwaitStatus(ev.ID, schoolbell.EventCompleted)
	return ev.ID
}

// outcomes returns the outcome of the delivery to each person and the state of the address.
func outcomes(t *testing.T, s *system.School, event string) (found []string) {
	t.Helper()
	page, err := s.Client.Deliveries(t.Context(), event, schoolbell.DeliveryFilter{}, client.Page{})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]schoolbell.Outcome{}
	for _, d := range page.Deliveries {
		by[d.UserID] = d.Outcome
	}
	for n := range len(page.Deliveries) {
		u, err := s.Client.User(t.Context(), system.Person(n))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%s %s", by[u.ID], u.Addresses[0].State))
	}
	return found
}

// notification is an email of a mail server that says that the email to an address came back.
func notification(sender, to string) string {
	return "From: MAILER-DAEMON@mx.example\r\nTo: " + sender + "\r\nMessage-ID: <" + to + "@mx.example>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nIt came back.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;mx.example\r\n\r\n" +
		"Final-Recipient: rfc822;" + to + "\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp;550 5.1.1 " + to + " is unknown\r\n--b--\r\n"
}

// complaint is an email of a mail server that says that a recipient reported an email as unwanted.
func complaint(sender, to string) string {
	return "From: feedback@provider.example\r\nTo: complaints@hill.example\r\nMessage-ID: <1@provider.example>\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nOriginal-Mail-From: <" + sender + ">\r\nOriginal-Rcpt-To: <" + to + ">\r\n--b--\r\n"
}

// postMail posts an email as a mail server does, and returns the status of the answer.
func postMail(t *testing.T, s *system.School, email string) int {
	t.Helper()
	resp, err := http.Post(s.URL+"/v1/receipts/mail/"+bounceSecret, "message/rfc822", strings.NewReader(email))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// sendMail sends an email by SMTP, and returns the code with which it is refused, or 0.
func sendMail(t *testing.T, addr, from, to, email string) int {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.SendMail(from, []string{to}, strings.NewReader(email))
	if e, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return e.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}
