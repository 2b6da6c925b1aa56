package fake

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"schoolbell/internal/channel/sms/twilio"
)

// This file has the requests that the fake Twilio makes itself.

// PlanByNumber does what a number ends in: the telephone of …30003 is off, and those of …30005 and …30006 do not exist.
// Messages to all others are delivered.
func PlanByNumber(to string) []Report {
	switch to[max(0, len(to)-5):] {
	case "30003":
		return []Report{ReportAccepted, ReportFull}
	case "30005", "30006":
		return []Report{ReportAccepted, ReportBounced}
	}
	return []Report{ReportAccepted, ReportDelivered}
}

// statuses are the reports, with their error codes.
var statuses = map[Report][2]string{
	ReportAccepted: {"sent"}, ReportDelivered: {"delivered"}, ReportForged: {"delivered"}, ReportBounced: {"undelivered", "30005"}, ReportFull: {"undelivered", "30003"},
}

// report posts a status to the StatusCallback of a message, and sets it.
func (t *Twilio) report(ctx context.Context, m *TwilioMessage, r Report) error {
	form := t.advance(m, statuses[r][0], statuses[r][1])
	if m.Callback == "" {
		return nil
	}
	token := t.opts.AuthToken
	if r == ReportForged {
		token = sid("")
	}
	return t.call(ctx, m.Callback, form, token)
}

// Report reports what happens to the newest message with a token, one thing after the other, at once.
func (t *Twilio) Report(token string, reports ...Report) error {
	t.state.Lock()
	var newest *TwilioMessage
	for _, m := range t.messages {
		if m.Token == token {
			newest = m
		}
	}
	t.state.Unlock()
	if newest == nil {
		return fmt.Errorf("no message has the token %s", token)
	}
	return inOrder(reports, func(ctx context.Context, r Report) error { return t.report(ctx, newest, r) })
}

// advance sets the status of a message, and returns the form that reports it.
func (t *Twilio) advance(m *TwilioMessage, status, code string) url.Values {
	t.state.Lock()
	defer t.state.Unlock()
	m.Status = status
	m.Error, _ = strconv.Atoi(code)
	if m.Sent.IsZero() && status != "queued" && status != "sending" {
		m.Sent = time.Now()
	}
	form := url.Values{
		"AccountSid": {t.opts.AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {m.SID}, "SmsSid": {m.SID},
		"MessageStatus": {status}, "SmsStatus": {status}, "To": {m.To}, "From": {m.From},
	}
	if m.Service != "" {
		form.Set("MessagingServiceSid", m.Service)
	}
	if code != "" {
		form.Set("ErrorCode", code)
	}
	return form
}

// call makes a request that is signed with a token.
func (t *Twilio) call(ctx context.Context, address string, form url.Values, token string) error {
	return t.post(ctx, address, "application/x-www-form-urlencoded; charset=UTF-8", form.Encode(),
		map[string]string{"X-Twilio-Signature": twilio.Sign(token, address, form)})
}

// words are those with which people stop messages and start them again.
var words = map[string]string{
	"STOP": "STOP", "STOPALL": "STOP", "UNSUBSCRIBE": "STOP", "CANCEL": "STOP", "END": "STOP", "QUIT": "STOP", "REVOKE": "STOP", "OPTOUT": "STOP",
	"START": "START", "YES": "START", "UNSTOP": "START", "HELP": "HELP", "INFO": "HELP",
}

// Inbound is a message of a person to a number of the account. After the word STOP, messages to the person are not accepted
// until START. The message is reported to InboundURL. With advanced, the report has an OptOutType, as those of a messaging
// service with Advanced Opt-Out have.
func (t *Twilio) Inbound(person, number, body string, advanced bool) error {
	kind := words[strings.ToUpper(strings.TrimSpace(body))]
	t.state.Lock()
	switch kind {
	case "STOP":
		t.stopped[person] = true
	case "START":
		delete(t.stopped, person)
	}
	inbound := t.opts.InboundURL
	t.state.Unlock()
	if inbound == "" {
		return nil
	}
	id := sid("SM")
	form := url.Values{
		"AccountSid": {t.opts.AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {id}, "SmsSid": {id}, "SmsMessageSid": {id},
		"SmsStatus": {"received"}, "From": {person}, "To": {number}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {"1"},
	}
	if advanced && kind != "" {
		form.Set("OptOutType", kind)
	}
	return t.call(context.Background(), inbound, form, t.opts.AuthToken)
}

// SetInboundURL changes where messages from people are reported.
func (t *Twilio) SetInboundURL(address string) {
	t.state.Lock()
	defer t.state.Unlock()
	t.opts.InboundURL = address
}

// playInbound lets a person send a message: the form has From and Body, and may have To.
func (t *Twilio) playInbound(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("To")
	setDefault(&to, "+15005550006")
	err := t.Inbound(r.FormValue("From"), to, r.FormValue("Body"), false)
	t.say("%s sent %q: %s", r.FormValue("From"), r.FormValue("Body"), outcome(err))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func (t *Twilio) hasStopped(person string) bool {
	t.state.Lock()
	defer t.state.Unlock()
	return t.stopped[person]
}
