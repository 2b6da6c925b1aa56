package twilio

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"schoolbell"
	"schoolbell/internal/channel/calls"
)

// class is what an error means for a message.
type class struct {
	verdict schoolbell.Verdict
	address schoolbell.AddressState // what it says about the number
	after   time.Duration           // how long the channel should rest
	alarm   string                  // logged, because staff must do something about it
}

const (
	noAccount = "Twilio rejects all text messages; check the Twilio settings and the account"
	noSender  = "Twilio does not accept TWILIO_FROM; check the number or the messaging service in the Twilio console"
	noCountry = "Twilio does not send to a country; allow it in the geographic permissions of the Twilio console"
	filtered  = "carriers reject text messages; read Twilio's page about the error"
	ourFault  = "Twilio cannot read a request; this is an error of the program"
)

const (
	settingsRest = 5 * time.Minute // while the account or the sender is not accepted
	dayRest      = time.Hour       // while a limit of a day is reached: it may be raised meanwhile
)

var (
	badNumber = class{verdict: schoolbell.VerdictGiveUp, address: schoolbell.AddressBounced}
	account   = class{verdict: schoolbell.VerdictSlowDown, after: settingsRest, alarm: noAccount}
	sender    = class{verdict: schoolbell.VerdictSlowDown, after: settingsRest, alarm: noSender}
	later     = class{verdict: schoolbell.VerdictRetry}
	unknown   = class{verdict: schoolbell.VerdictUncertain}
	slowDown  = class{verdict: schoolbell.VerdictSlowDown}
	bug       = class{verdict: schoolbell.VerdictGiveUp, alarm: ourFault}
	carrier   = class{verdict: schoolbell.VerdictGiveUp, alarm: filtered}
)

// classes are the error codes that say more than the HTTP status. Twilio splits codes and adds new ones, so the status decides
// about all others.
var classes = map[int]class{
	20003: account, // authentication failed
	20005: account, // account not active
	20404: account, // no such account
	30002: account, // account suspended
	21606: sender,  // From cannot send text messages
	21603: sender,  // From is missing
	21703: sender,  // messaging service without a sender
	21705: sender,  // messaging service invalid
	21212: sender,  // From invalid
	21608: sender,  // trial account, unverified number
	30032: sender,  // toll-free number not verified
	30034: sender,  // number not registered for A2P 10DLC

	20429: slowDown, // too many concurrent requests; never processed
	30022: slowDown, // rate of A2P 10DLC exceeded
	14107: {verdict: schoolbell.VerdictSlowDown, after: 30 * time.Second},
	21611: {verdict: schoolbell.VerdictSlowDown, after: 10 * time.Minute}, // the queue of From holds ten hours
	30023: {verdict: schoolbell.VerdictSlowDown, after: dayRest},          // daily cap of A2P 10DLC
	63038: {verdict: schoolbell.VerdictSlowDown, after: dayRest},          // daily limit of the account

	21211: badNumber, // To is no valid number
	21614: badNumber, // To is no mobile number
	21635: badNumber, // To is a landline
	30005: badNumber, // unknown or inactive number
	30006: badNumber, // landline or unreachable carrier
	21610: {verdict: schoolbell.VerdictGiveUp, address: schoolbell.AddressStopped},

	21408: {verdict: schoolbell.VerdictGiveUp, alarm: noCountry},
	21612: {verdict: schoolbell.VerdictGiveUp}, // no route from From to To
	30004: carrier,                             // blocked
	30007: carrier,                             // filtered as spam
	21602: bug,                                 // no body
	21604: bug,                                 // no To
	21617: bug,                                 // over 1,600 characters

	30001: later, // queue overflow, or the validity period ended
	30003: later, // handset unreachable
	30008: later, // unknown

	20500: unknown, // internal error: may have been sent
	30410: unknown, // time-out behind Twilio
}

// byStatus is the class of errors without a known code.
func byStatus(status int) class {
	switch {
	case status == http.StatusTooManyRequests:
		return slowDown
	case status >= 500, status == http.StatusRequestTimeout, status < 300:
		return unknown
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status < 400:
		return account // or TWILIO_URL is something else
	}
	return class{verdict: schoolbell.VerdictGiveUp}
}

func classOf(status, code int) class {
	if c, known := classes[code]; known {
		return c
	}
	return byStatus(status)
}

// message is a text message as Twilio describes it.
type message struct {
	SID         string `json:"sid"`
	Status      string `json:"status"`
	Direction   string `json:"direction"`
	Body        string `json:"body"`
	DateCreated string `json:"date_created"` // RFC 1123 with a numeric zone
	ErrorCode   int    `json:"error_code"`   // 0 for null
	ErrorText   string `json:"error_message"`
}

// problem is what Twilio says about a request that it did not accept.
type problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// problemOf returns the problem of a reply, which is zero if its body is none.
func problemOf(reply calls.Reply) (p problem) {
	if json.Unmarshal(reply.Body, &p) != nil {
		return problem{}
	}
	return p
}

// judge returns what the reply to a POST says about the message to a number.
func (t *Twilio) judge(reply calls.Reply, to string) schoolbell.Result {
	if reply.OK() {
		var m message
		if json.Unmarshal(reply.Body, &m) == nil && m.SID != "" {
			return t.accepted(m, to)
		}
	}
	p := problemOf(reply)
	return t.failed(reply.Status, p, to, calls.RetryAfter(reply.Header, time.Now()))
}

// accepted returns the result of a message that Twilio has. It may have failed already.
func (t *Twilio) accepted(m message, to string) schoolbell.Result {
	if m.Status != "failed" && m.Status != "undelivered" && m.Status != "canceled" {
		return schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: m.SID}
	}
	p := problem{Code: m.ErrorCode, Message: m.ErrorText}
	if p.Message == "" {
		p.Message = m.Status
	}
	r := t.failed(http.StatusBadRequest, p, to, 0)
	r.ProviderID = m.SID
	return r
}

// failed returns the result of an error, and logs one that staff must see.
func (t *Twilio) failed(status int, p problem, to string, after time.Duration) schoolbell.Result {
	c := classOf(status, p.Code)
	r := schoolbell.Result{Verdict: c.verdict, Reason: reason(status, p, to)}
	switch c.verdict {
	case schoolbell.VerdictGiveUp:
		r.Address = c.address
	case schoolbell.VerdictSlowDown:
		r.After = max(c.after, after)
	}
	if c.alarm != "" {
		level := slog.LevelError
		if c.verdict == schoolbell.VerdictGiveUp && c.alarm != ourFault {
			level = slog.LevelWarn
		}
		t.complain(level, c.alarm, r.Reason)
	}
	return r
}

// maxWords bounds what is handed on of Twilio's words, in characters.
const maxWords = 200

// reason is an error as one line without the number of the recipient.
func reason(status int, p problem, to string) string {
	text := strings.Join(strings.FieldsFunc(p.Message, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > maxWords {
		text = string(runes[:maxWords])
	}
	text = schoolbell.Redact(text, schoolbell.Personal{Addresses: []string{to}})
	name := fmt.Sprintf("Twilio status %d", status)
	if p.Code != 0 {
		name = fmt.Sprintf("Twilio error %d", p.Code)
	}
	if text == "" {
		return name
	}
	return name + ": " + text
}
