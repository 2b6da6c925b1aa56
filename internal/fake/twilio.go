package fake

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"schoolbell/internal/channel/sms"
)

// TwilioOptions say how a fake Twilio behaves. Its zero value accepts every valid message.
type TwilioOptions struct {
	Addr       string // to listen on; any port of 127.0.0.1 if empty
	AccountSID string // chosen if empty, like the following
	AuthToken  string
	KeySID     string // an API key of the account; none if empty
	KeySecret  string

	// Script decides about a number; nil means ByRecipient. Answer says more about a message: it comes before the script,
	// which is asked if it returns the zero value. Both are called by several goroutines at once, and may wait.
	Script Script
	Answer func(m TwilioMessage) TwilioAnswer

	Concurrent int // POSTs at the same time; further ones are answered with error 20429. 0 for no limit
	DailyLimit int // messages in all; further ones are answered with error 63038. 0 for no limit

	// Reports go to the StatusCallback of each message, so they have no URL. Without a plan there are none.
	Reports Reports

	InboundURL string // where messages from people are reported; none if empty
}

// TwilioMessage is a message that was offered.
type TwilioMessage struct {
	SID      string // empty until it is accepted
	To       string
	From     string // empty with a service
	Service  string // MessagingServiceSid
	Body     string
	Callback string // StatusCallback
	Token    string // the value of d in the query of Callback
	Validity int    // ValidityPeriod in seconds; 0 if none was given
	Segments int
	Status   string
	Error    int  // error code of the status
	Unlisted bool // it does not appear in lists
	Created  time.Time
	Sent     time.Time // zero until it was passed on
}

// TwilioAnswer is what happens to a message. Its zero value accepts it.
type TwilioAnswer struct {
	Status int    // of a message that is not accepted; 400 if Code alone is set
	Code   int    // error code; without one, the body of the reply is not JSON
	Text   string // of the error
	Hang   bool   // there is no reply, and nothing is accepted

	// What happens after the message was accepted.
	Hold  <-chan struct{} // the reply waits until it is closed or the client has gone
	Reset bool            // the connection ends without a reply
	Cut   bool            // the connection ends in the middle of the reply
	Fail  int             // the reply has this status and no message

	Unlisted bool // the message does not appear in lists, as if it was not there yet
}

// magicNumbers are those that Twilio itself has for tests, with the error that each gives.
var magicNumbers = map[string]TwilioAnswer{
	"+15005550001": {Code: 21211, Text: "The 'To' number +15005550001 is not a valid phone number."},
	"+15005550002": {Code: 21612, Text: "The 'To' phone number: +15005550002, is not currently reachable using the 'From' phone number."},
	"+15005550003": {Code: 21408, Text: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: +15005550003."},
	"+15005550004": {Code: 21610, Text: "Attempt to send to unsubscribed recipient"},
	"+15005550009": {Code: 21614, Text: "'To' number +15005550009 is not a valid mobile number"},
}

// magicSenders are the same for the From number.
var magicSenders = map[string]TwilioAnswer{
	"+15005550001": {Code: 21212, Text: "The 'From' number +15005550001 is not a valid phone number."},
	"+15005550007": {Code: 21606, Text: "The 'From' phone number provided (+15005550007) is not a valid message-capable Twilio phone number."},
	"+15005550008": {Code: 21611, Text: "This 'From' number has exceeded the maximum number of queued messages"},
}

// Twilio is a fake of Twilio's Messages API. Tokens are the parameter d in the query of StatusCallback. It is safe for
// concurrent use.
type Twilio struct {
	*Server
	opts TwilioOptions

	state    sync.Mutex // protects what follows and opts.InboundURL
	inFlight int
	messages []*TwilioMessage // accepted ones, the oldest first
	stopped  map[string]bool  // numbers that sent STOP
}

// NewTwilio returns a fake that listens. The caller runs or closes it.
func NewTwilio(o TwilioOptions) (*Twilio, error) {
	setDefault(&o.AccountSID, sid("AC"))
	setDefault(&o.AuthToken, sid(""))
	t := &Twilio{opts: o, stopped: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Messages.json", t.authorized(t.create))
	mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Messages.json", t.authorized(t.list))
	mux.HandleFunc("POST /fake/inbound", t.playInbound)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, TwilioAnswer{Status: 404, Code: 20404, Text: "The requested resource " + r.URL.Path + " was not found"})
	})
	server, err := newServer(o.Addr, o.Script, mux)
	if err != nil {
		return nil, err
	}
	t.Server = server
	return t, nil
}

// sid returns a new identifier as Twilio has them: a prefix and 32 hexadecimal digits.
func sid(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// Settings returns the settings of Schoolbell that use this fake.
func (t *Twilio) Settings() []string {
	return []string{"TWILIO_URL=" + t.URL(), "TWILIO_ACCOUNT_SID=" + t.opts.AccountSID, "TWILIO_AUTH_TOKEN=" + t.opts.AuthToken, "TWILIO_FROM=+15005550006"}
}

// Messages returns the accepted messages, the oldest first.
func (t *Twilio) Messages() []TwilioMessage {
	t.state.Lock()
	defer t.state.Unlock()
	out := make([]TwilioMessage, len(t.messages))
	for i, m := range t.messages {
		out[i] = *m
	}
	return out
}

// authorized checks the account and the credentials of a request.
func (t *Twilio) authorized(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		secret := t.opts.AuthToken
		if t.opts.KeySID != "" && user == t.opts.KeySID {
			secret = t.opts.KeySecret
		} else if user != t.opts.AccountSID {
			secret = sid("") // nobody's
		}
		if subtle.ConstantTimeCompare([]byte(password), []byte(secret)) != 1 || r.PathValue("account") != t.opts.AccountSID {
			writeProblem(w, TwilioAnswer{Status: 401, Code: 20003, Text: "Authenticate"})
			return
		}
		handle(w, r)
	}
}

// begin counts a POST that is in flight, or reports that there are too many.
func (t *Twilio) begin() bool {
	t.state.Lock()
	defer t.state.Unlock()
	if t.opts.Concurrent > 0 && t.inFlight >= t.opts.Concurrent {
		return false
	}
	t.inFlight++
	return true
}

func (t *Twilio) end() {
	t.state.Lock()
	defer t.state.Unlock()
	t.inFlight--
}

// judge returns why a message is not accepted, or what the options say.
func (t *Twilio) judge(m TwilioMessage) TwilioAnswer {
	for _, rule := range []struct {
		broken bool
		answer TwilioAnswer
	}{
		{m.To == "", TwilioAnswer{Code: 21604, Text: "A 'To' phone number is required."}},
		{m.Body == "", TwilioAnswer{Code: 21602, Text: "Message body is required."}},
		{len([]rune(m.Body)) > 1600, TwilioAnswer{Code: 21617, Text: "The concatenated message body exceeds the 1600 character limit."}},
		{m.From == "" && m.Service == "", TwilioAnswer{Code: 21603, Text: "A 'From' phone number is required."}},
		{m.Service != "" && !strings.HasPrefix(m.Service, "MG"), TwilioAnswer{Code: 21705, Text: "The Messaging Service Sid is invalid."}},
		{!isNumber(m.To), TwilioAnswer{Code: 21211, Text: "The 'To' number " + m.To + " is not a valid phone number."}},
		{m.Validity < 0 || m.Validity > 36000, TwilioAnswer{Code: 20422, Text: "Invalid ValidityPeriod"}},
		{t.hasStopped(m.To), TwilioAnswer{Code: 21610, Text: "Attempt to send to unsubscribed recipient"}},
		{t.opts.DailyLimit > 0 && len(t.Messages()) >= t.opts.DailyLimit, TwilioAnswer{Status: 429, Code: 63038, Text: "Account exceeded the daily messages limit"}},
	} {
		if rule.broken {
			return rule.answer
		}
	}
	if answer, magic := magicSenders[m.From]; magic {
		return answer
	}
	if answer, magic := magicNumbers[m.To]; magic {
		return answer
	}
	if t.opts.Answer != nil {
		if answer := t.opts.Answer(m); answer != (TwilioAnswer{}) {
			return answer
		}
	}
	return twilioActs[t.act(m.To)]
}

// twilioActs are the acts as answers.
var twilioActs = map[Act]TwilioAnswer{
	Reject:   {Code: 21211, Text: "The 'To' number is not a valid phone number."},
	Defer:    {Code: 30001, Text: "Queue overflow"},
	Throttle: {Status: 429, Code: 20429, Text: "Too Many Requests"},
	Stop:     {Code: 21606, Text: "The 'From' phone number is not a valid message-capable Twilio phone number."},
	Fail:     {Fail: 500},
	Hang:     {Hang: true},
	Reset:    {Reset: true},
	Cut:      {Cut: true},
}

// isNumber reports whether a text is a number in E.164 format.
func isNumber(to string) bool {
	digits, international := strings.CutPrefix(to, "+")
	return international && len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == "" && digits[0] != '0'
}

// store accepts a message and begins to report what happens to it.
func (t *Twilio) store(m TwilioMessage) TwilioMessage {
	m.SID, m.Created, m.Status = sid("SM"), time.Now(), "queued"
	m.Segments, _ = sms.Segments(m.Body)
	if m.Service != "" {
		m.Status = "accepted"
	}
	stored := m
	t.state.Lock()
	t.messages = append(t.messages, &stored)
	t.state.Unlock()
	t.accept(m.Token)
	t.say("accepted to %s, %d segments: %s", m.To, m.Segments, m.Body)
	if t.opts.Reports.Plan != nil {
		t.follow(t.opts.Reports, m.To, func(ctx context.Context, r Report) error { return t.report(ctx, &stored, r) })
	}
	return m
}
