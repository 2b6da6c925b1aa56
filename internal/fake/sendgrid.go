package fake

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxPersonalizations is how many a request may have.
const maxPersonalizations = 1000

// SendGridOptions say which account a fake of SendGrid plays. Zero values mean the defaults named.
type SendGridOptions struct {
	Addr   string   // to listen on; any port of 127.0.0.1
	APIKey string   // SG.fake
	Scopes []string // of the key; mail.send
	Rate   float64  // requests per second; no limit
	Script Script   // ByRecipient

	Reports Reports // to the event webhook, which is signed
}

// SendGridError is an error as SendGrid answers it.
type SendGridError struct {
	Status  int
	Field   string // such as personalizations.0.to.0.email; may be empty
	Message string
}

// SendGrid is a fake of SendGrid's Web API v3: mail/send and scopes. Tokens are the custom argument schoolbell_message. It
// is safe for concurrent use.
type SendGrid struct {
	*Server
	emails
	opts     SendGridOptions
	requests bucket

	state   sync.Mutex // protects what follows and opts.Reports
	errors  map[string]SendGridError
	revoked bool
	taken   int // requests
}

// NewSendGrid returns a fake that listens. The caller runs or closes it.
func NewSendGrid(o SendGridOptions) (*SendGrid, error) {
	setDefault(&o.APIKey, "SG.fake")
	if o.Scopes == nil {
		o.Scopes = []string{"mail.send"}
	}
	f := &SendGrid{opts: o, requests: bucket{rate: o.Rate}, errors: make(map[string]SendGridError)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/mail/send", f.sendMail)
	mux.HandleFunc("GET /v3/scopes", f.getScopes)
	server, err := newServer(o.Addr, o.Script, mux)
	if err != nil {
		return nil, err
	}
	f.Server = server
	return f, nil
}

// Answer makes the fake answer requests with a recipient with an error, instead of what the script says.
func (f *SendGrid) Answer(to string, e SendGridError) {
	f.state.Lock()
	defer f.state.Unlock()
	f.errors[to] = e
}

// Revoke makes the key invalid, or valid again.
func (f *SendGrid) Revoke(revoked bool) {
	f.state.Lock()
	defer f.state.Unlock()
	f.revoked = revoked
}

// SetReports changes where and how the events of further emails are reported.
func (f *SendGrid) SetReports(r Reports) {
	f.state.Lock()
	defer f.state.Unlock()
	f.opts.Reports = r
}

// Report reports what happens to the newest email with a token, one thing after the other, at once.
func (f *SendGrid) Report(token string, reports ...Report) error {
	m, err := f.latest(token)
	if err != nil {
		return err
	}
	f.state.Lock()
	url := f.opts.Reports.URL
	f.state.Unlock()
	return inOrder(reports, func(ctx context.Context, r Report) error { return f.callHook(ctx, url, m, r) })
}

// Requests returns how many requests were accepted.
func (f *SendGrid) Requests() int {
	f.state.Lock()
	defer f.state.Unlock()
	return f.taken
}

// sendGridMail is the body of mail/send.
type sendGridMail struct {
	From             sendGridAddress           `json:"from"`
	ReplyTo          *sendGridAddress          `json:"reply_to"`
	Subject          string                    `json:"subject"`
	Content          []sendGridContent         `json:"content"`
	Attachments      []sendGridAttachment      `json:"attachments"`
	Personalizations []sendGridPersonalization `json:"personalizations"`
	Tracking         json.RawMessage           `json:"tracking_settings"`
}

type sendGridAddress struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type sendGridContent struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type sendGridAttachment struct {
	Content     []byte `json:"content"` // Base64 in JSON
	Type        string `json:"type"`
	Filename    string `json:"filename"`
	Disposition string `json:"disposition"`
}

type sendGridPersonalization struct {
	To         []sendGridAddress `json:"to"`
	Headers    map[string]string `json:"headers"`
	CustomArgs map[string]string `json:"custom_args"`
}

// reservedHeaders cannot be set.
var reservedHeaders = []string{"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"}

func (f *SendGrid) sendMail(w http.ResponseWriter, r *http.Request) {
	f.limits(w, 0)
	if !f.authenticate(w, r) {
		return
	}
	if !f.requests.take(1, time.Now()) {
		f.throttle(w)
		return
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	var req sendGridMail
	if err := decoder.Decode(&req); err != nil {
		f.refuse(w, SendGridError{Status: http.StatusBadRequest, Message: "Bad Request: " + err.Error()})
		return
	}
	if faults := req.faults(); len(faults) > 0 {
		f.refuse(w, faults...)
		return
	}
	f.play(w, r, req)
}

// faults is what is wrong with a request.
func (m sendGridMail) faults() (faults []SendGridError) {
	bad := func(field, message string) {
		faults = append(faults, SendGridError{http.StatusBadRequest, field, message})
	}
	if _, err := mail.ParseAddress(m.From.Email); err != nil {
		bad("from.email", "The from email does not contain a valid address.")
	}
	if m.Subject == "" {
		bad("subject", "The subject is required.")
	}
	if n := len(m.Personalizations); n == 0 || n > maxPersonalizations {
		bad("personalizations", "The personalizations field is required and must have at most 1000 objects.")
	}
	order := []string{"text/plain", "text/html"}
	for i, c := range m.Content {
		if c.Value == "" {
			bad(fmt.Sprintf("content.%d.value", i), "The content value must be a string at least one character in length.")
		}
		if i > 0 && slices.Index(order, c.Type) < slices.Index(order, m.Content[i-1].Type) {
			bad(fmt.Sprintf("content.%d.type", i), "If present, text/plain and text/html must be the first two values, in this order.")
		}
	}
	if len(m.Content) == 0 {
		bad("content", "Unless a valid template_id is provided, the content parameter is required.")
	}
	for i, a := range m.Attachments {
		if strings.ContainsAny(a.Type, ";\r\n") {
			bad(fmt.Sprintf("attachments.%d.type", i), "The attachment type cannot contain ';', or CRLF characters.")
		}
	}
	for i, p := range m.Personalizations {
		faults = append(faults, p.faults(i)...)
	}
	return faults
}

func (p sendGridPersonalization) faults(i int) (faults []SendGridError) {
	bad := func(field, message string) {
		faults = append(faults, SendGridError{http.StatusBadRequest, fmt.Sprintf("personalizations.%d.%s", i, field), message})
	}
	if len(p.To) != 1 {
		bad("to", "The to array must have one recipient.")
		return faults
	}
	if _, err := mail.ParseAddress(p.To[0].Email); err != nil || !isASCII(p.To[0].Email) {
		bad("to.0.email", "Does not contain a valid address.")
	}
	for name := range p.Headers {
		if slices.Contains(reservedHeaders, strings.ToLower(name)) {
			bad("headers."+name, "This header cannot be set.")
		}
	}
	size := 0
	for name, value := range p.CustomArgs {
		size += len(name) + len(value)
	}
	if size > 10_000 {
		bad("custom_args", "The custom arguments are longer than 10000 bytes.")
	}
	return faults
}

// play does with a valid request what the script says of the first recipient for whom it says anything but Accept. SendGrid
// takes all recipients or none.
func (f *SendGrid) play(w http.ResponseWriter, r *http.Request, req sendGridMail) {
	act := Accept
	var refused []SendGridError
	for i, p := range req.Personalizations {
		to := p.To[0].Email
		f.state.Lock()
		e, chosen := f.errors[to]
		f.state.Unlock()
		switch a := f.act(to); {
		case chosen:
			refused = append(refused, e)
		case a == Reject:
			refused = append(refused, SendGridError{http.StatusBadRequest, fmt.Sprintf("personalizations.%d.to.0.email", i), "Does not contain a valid address."})
		case act == Accept:
			act = a
		}
	}
	if len(refused) > 0 {
		f.refuse(w, refused...)
		return
	}
	f.answer(w, r, act, req)
}

func (f *SendGrid) answer(w http.ResponseWriter, r *http.Request, act Act, req sendGridMail) {
	switch act {
	case Defer:
		f.refuse(w, SendGridError{Status: http.StatusConflict, Message: "Conflict"})
		return
	case Throttle:
		f.throttle(w)
		return
	case Stop:
		f.refuse(w, SendGridError{http.StatusForbidden, "from", "The from address does not match a verified Sender Identity."})
		return
	}
	id := ""
	if act != Hang {
		id = f.store(req)
	}
	if act == Fail {
		f.refuse(w, SendGridError{Status: http.StatusServiceUnavailable, Message: "Service unavailable"})
		return
	}
	w.Header().Set("X-Message-Id", id)
	if lost(w, r, act, "{}") {
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// store accepts a request: an email for each recipient.
func (f *SendGrid) store(req sendGridMail) (id string) {
	f.state.Lock()
	f.taken++
	id = fmt.Sprintf("fake%018d", f.taken)
	reports := f.opts.Reports
	f.state.Unlock()
	for i, p := range req.Personalizations {
		e := Email{ID: fmt.Sprintf("%s.filter%d", id, i), Token: p.CustomArgs["schoolbell_message"], To: p.To[0].Email, From: req.From.Email, Subject: req.Subject, Header: mail.Header{}}
		for name, value := range p.Headers {
			e.Header[name] = []string{value}
		}
		for _, a := range req.Attachments {
			if a.Type == "text/calendar" {
				e.Calendar = string(a.Content)
			}
		}
		for _, c := range req.Content {
			if c.Type == "text/plain" {
				e.Text = c.Value
			} else {
				e.HTML = c.Value
			}
		}
		e.messageID = p.Headers["Message-ID"]
		f.accept(e.Token)
		f.emails.keep(e)
		f.say("accepted from %s to %s: %s", e.From, e.To, e.Subject)
		if reports.URL != "" {
			f.follow(reports, e.To, func(ctx context.Context, kind Report) error { return f.callHook(ctx, reports.URL, e, kind) })
		}
	}
	return id
}

func (f *SendGrid) authenticate(w http.ResponseWriter, r *http.Request) bool {
	f.state.Lock()
	revoked := f.revoked
	f.state.Unlock()
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok && !revoked && subtle.ConstantTimeCompare([]byte(key), []byte(f.opts.APIKey)) == 1 {
		return true
	}
	_, _ = io.Copy(io.Discard, r.Body)
	f.refuse(w, SendGridError{Status: http.StatusUnauthorized, Message: "The provided authorization grant is invalid, expired, or revoked"})
	return false
}

func (f *SendGrid) getScopes(w http.ResponseWriter, r *http.Request) {
	f.limits(w, 0)
	if !f.authenticate(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string][]string{"scopes": f.opts.Scopes})
}

// limits sets the headers that every reply has.
func (f *SendGrid) limits(w http.ResponseWriter, reset time.Duration) {
	limit := 600
	if f.opts.Rate > 0 {
		limit = int(max(1, f.opts.Rate))
	}
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(limit-1))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(reset).Unix(), 10))
}

// throttle answers that there were too many requests, and when the next ones may come.
func (f *SendGrid) throttle(w http.ResponseWriter) {
	f.limits(w, 2*time.Second)
	w.Header().Set("X-RateLimit-Remaining", "0")
	f.refuse(w, SendGridError{Status: http.StatusTooManyRequests, Message: "too many requests"})
}

func (f *SendGrid) refuse(w http.ResponseWriter, errs ...SendGridError) {
	type entry struct {
		Message string  `json:"message"`
		Field   *string `json:"field"`
		Help    *string `json:"help"`
	}
	var body struct {
		Errors []entry `json:"errors"`
	}
	for _, e := range errs {
		one := entry{Message: e.Message}
		if e.Field != "" {
			one.Field = &e.Field
		}
		body.Errors = append(body.Errors, one)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(errs[0].Status)
	_ = json.NewEncoder(w).Encode(body)
}
