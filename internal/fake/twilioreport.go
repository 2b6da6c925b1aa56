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

// report passes a message on and posts the statuses that the options name to its StatusCallback.
func (t *Twilio) report(m *TwilioMessage) {
	for _, step := range t.opts.Reports {
		select {
		case <-time.After(t.opts.ReportDelay):
		case <-t.stopping.Done():
			return
		}
		status, code, _ := strings.Cut(step, " ")
		if form := t.advance(m, status, code); m.Callback != "" {
			_ = t.post(m.Callback, form) // Twilio gives up too
		}
	}
}

// advance sets the status of a message, and returns the form that reports it.
func (t *Twilio) advance(m *TwilioMessage, status, code string) url.Values {
	t.mu.Lock()
	defer t.mu.Unlock()
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

// post makes a signed request.
func (t *Twilio) post(address string, form url.Values) error {
	ctx, cancel := context.WithTimeout(t.stopping, 15*time.Second) // as Twilio does
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("report to %s: %w", address, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	req.Header.Set("X-Twilio-Signature", twilio.Sign(t.opts.AuthToken, address, form))
	res, err := t.client.Do(req)
	if err != nil {
		return fmt.Errorf("report to %s: %w", address, err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("report to %s: status %d", address, res.StatusCode)
	}
	return nil
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
	t.mu.Lock()
	switch kind {
	case "STOP":
		t.stopped[person] = true
	case "START":
		delete(t.stopped, person)
	}
	t.mu.Unlock()
	if t.opts.InboundURL == "" {
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
	return t.post(t.opts.InboundURL, form)
}

func (t *Twilio) hasStopped(person string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped[person]
}
