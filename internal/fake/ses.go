package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// SESOptions say which account a fake of Amazon SES plays. Zero values mean the defaults named.
type SESOptions struct {
	Addr   string // to listen on; any port of 127.0.0.1
	Region string // eu-west-1

	AccessKeyID     string // AKIAFAKE
	SecretAccessKey string // fake-secret
	SessionToken    string // none

	ConfigurationSets []string // that exist
	Rate              float64  // emails per second; no limit
	Daily             int      // emails in 24 hours; no limit
	Sandbox           bool
	Paused            bool

	Script  Script  // ByRecipient
	Reports Reports // events of emails with a configuration set, as notifications of SNS

	Topic      string // arn:aws:sns:eu-west-1:123456789012:bell
	SNSVersion string // of signatures, 1 or 2; 2
}

// SESError is an error as Amazon SES answers it.
type SESError struct {
	Status  int
	Code    string // such as MessageRejected
	Message string
}

// SES is a fake of Amazon SES, API version 2: SendEmail with raw content, and GetAccount. Tokens are the values of the tag
// schoolbell_message. It is safe for concurrent use.
type SES struct {
	*Server
	emails
	opts     SESOptions
	sending  bucket
	accounts bucket // calls of GetAccount: one a second
	sns      *sns

	state  sync.Mutex // protects what follows, opts.Paused and opts.Reports
	errors map[string]SESError
}

// The texts by which the two quotas are told apart.
const (
	textRate  = "Maximum sending rate exceeded"
	textDaily = "Daily message quota exceeded"
)

// NewSES returns a fake that listens. The caller runs or closes it.
func NewSES(o SESOptions) (*SES, error) {
	setDefault(&o.Region, "eu-west-1")
	setDefault(&o.AccessKeyID, "AKIAFAKE")
	setDefault(&o.SecretAccessKey, "fake-secret")
	setDefault(&o.Topic, "arn:aws:sns:"+o.Region+":123456789012:bell")
	setDefault(&o.SNSVersion, "2")
	f := &SES{opts: o, sending: bucket{rate: o.Rate}, accounts: bucket{rate: 1}, errors: make(map[string]SESError), sns: newSNS(o)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/email/outbound-emails", f.sendEmail)
	mux.HandleFunc("GET /v2/email/account", f.getAccount)
	mux.HandleFunc("GET "+f.sns.certPath, f.sns.getCertificate)
	mux.HandleFunc("GET /{$}", f.sns.confirm)
	server, err := newServer(o.Addr, o.Script, mux)
	if err != nil {
		return nil, err
	}
	f.Server = server
	return f, nil
}

func setDefault(v *string, def string) {
	if *v == "" {
		*v = def
	}
}

// Answer makes the fake answer emails to a recipient with an error, instead of what the script says.
func (f *SES) Answer(to string, e SESError) {
	f.state.Lock()
	defer f.state.Unlock()
	f.errors[to] = e
}

// Pause makes the account stop or resume sending.
func (f *SES) Pause(paused bool) {
	f.state.Lock()
	defer f.state.Unlock()
	f.opts.Paused = paused
}

// SetReports changes where and how the events of further emails are reported.
func (f *SES) SetReports(r Reports) {
	f.state.Lock()
	defer f.state.Unlock()
	f.opts.Reports = r
}

// Report reports what happens to the newest email with a token, one thing after the other, at once.
func (f *SES) Report(token string, reports ...Report) error {
	m, err := f.latest(token)
	if err != nil {
		return err
	}
	url := f.reports().URL
	return inOrder(reports, func(ctx context.Context, r Report) error { return f.publish(ctx, url, m, r) })
}

func (f *SES) reports() Reports {
	f.state.Lock()
	defer f.state.Unlock()
	return f.opts.Reports
}

func (f *SES) paused() bool {
	f.state.Lock()
	defer f.state.Unlock()
	return f.opts.Paused
}

// sesEmail is the body of SendEmail.
type sesEmail struct {
	ConfigurationSetName string
	FromEmailAddress     string
	Destination          struct{ ToAddresses, CcAddresses, BccAddresses []string }
	Content              struct{ Raw *struct{ Data []byte } }
	EmailTags            []struct{ Name, Value string }
}

func (f *SES) sendEmail(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.refuse(w, SESError{http.StatusBadRequest, "BadRequestException", "the body cannot be read"})
		return
	}
	if e := f.authenticate(r, body); e != nil {
		f.refuse(w, *e)
		return
	}
	var req sesEmail
	if err := json.Unmarshal(body, &req); err != nil {
		f.refuse(w, SESError{http.StatusBadRequest, "BadRequestException", "the body is not JSON: " + err.Error()})
		return
	}
	email, e := f.check(req)
	if e == nil {
		e = f.admit(email)
	}
	if e != nil {
		f.refuse(w, *e)
		return
	}
	f.play(w, r, email)
}

// play does with a valid email what the script says.
func (f *SES) play(w http.ResponseWriter, r *http.Request, email Email) {
	act := f.act(email.To)
	if e, refused := sesErrors[act]; refused {
		if act == Fail {
			f.store(&email)
		}
		f.refuse(w, e)
		return
	}
	if act != Hang {
		f.store(&email)
	}
	reply := fmt.Sprintf(`{"MessageId":%q}`, email.ID)
	if lost(w, r, act, reply) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, reply)
}

// sesErrors are the errors of acts.
var sesErrors = map[Act]SESError{
	Reject:   {http.StatusBadRequest, "MessageRejected", "Email was rejected."},
	Defer:    {http.StatusConflict, "ConflictException", "Another request is in progress."},
	Throttle: {http.StatusTooManyRequests, "TooManyRequestsException", textRate},
	Stop:     {http.StatusBadRequest, "MailFromDomainNotVerifiedException", "The MAIL FROM domain is not verified."},
	Fail:     {http.StatusInternalServerError, "InternalServerErrorException", "Internal failure."},
}

var (
	tagPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	setPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// check returns the email of a request, or why SES would not accept it.
func (f *SES) check(req sesEmail) (Email, *SESError) {
	bad := func(format string, args ...any) (Email, *SESError) {
		return Email{}, &SESError{http.StatusBadRequest, "BadRequestException", fmt.Sprintf(format, args...)}
	}
	to := slices.Concat(req.Destination.ToAddresses, req.Destination.CcAddresses, req.Destination.BccAddresses)
	switch {
	case len(to) != 1: // 50 are allowed; Schoolbell sends one, so that a complaint tells who complained
		return bad("%d recipients", len(to))
	case !isASCII(to[0]) || !isASCII(req.FromEmailAddress):
		return bad("Local address contains control or whitespace, or is not ASCII")
	case req.Content.Raw == nil:
		return bad("only raw content is supported")
	case req.ConfigurationSetName != "" && !setPattern.MatchString(req.ConfigurationSetName):
		return bad("configuration set name is not valid")
	case req.ConfigurationSetName != "" && !slices.Contains(f.opts.ConfigurationSets, req.ConfigurationSetName):
		return Email{}, &SESError{http.StatusNotFound, "NotFoundException", "Configuration set <" + req.ConfigurationSetName + "> does not exist."}
	}
	if _, err := mail.ParseAddress(to[0]); err != nil {
		return bad("Missing final '@domain'")
	}
	email, err := parseEmail(req.Content.Raw.Data)
	if err != nil {
		return bad("%v", err)
	}
	if email.From != req.FromEmailAddress {
		return bad("From of the email is not FromEmailAddress")
	}
	for _, tag := range req.EmailTags {
		if !tagPattern.MatchString(tag.Name) || !tagPattern.MatchString(tag.Value) {
			return bad("Invalid tag %q", tag.Name)
		}
		if tag.Name == "schoolbell_message" {
			email.Token = tag.Value
		}
	}
	email.To, email.events = to[0], req.ConfigurationSetName != ""
	return email, nil
}

// admit returns why the account may not send an email now.
func (f *SES) admit(email Email) *SESError {
	f.state.Lock()
	e, chosen := f.errors[email.To]
	f.state.Unlock()
	sent, _ := f.Total()
	switch {
	case chosen:
		return &e
	case f.paused():
		return &SESError{http.StatusBadRequest, "SendingPausedException", "Email sending is disabled."}
	case f.opts.Daily > 0 && sent >= f.opts.Daily:
		return &SESError{http.StatusTooManyRequests, "TooManyRequestsException", textDaily}
	case !f.sending.take(1, time.Now()):
		return &SESError{http.StatusTooManyRequests, "TooManyRequestsException", textRate}
	}
	return nil
}

// keep accepts an email. Like SES, it replaces its Message-ID and date.
func (f *SES) store(email *Email) {
	n := f.accept(email.Token)
	email.messageID = email.Header.Get("Message-Id")
	email.ID = fmt.Sprintf("0102018f%08x-00000000-0000-4000-8000-%012x-000000", n, n)
	email.Header["Message-Id"] = []string{"<" + email.ID + "@" + f.opts.Region + ".amazonses.com>"}
	email.Header["Date"] = []string{time.Now().UTC().Format(time.RFC1123Z)}
	f.emails.keep(*email)
	f.say("accepted from %s to %s: %s", email.From, email.To, email.Subject)
	if r := f.reports(); r.URL != "" && email.events {
		m := *email
		f.follow(r, m.To, func(ctx context.Context, kind Report) error { return f.publish(ctx, r.URL, m, kind) })
	}
}

func (f *SES) getAccount(w http.ResponseWriter, r *http.Request) {
	if e := f.authenticate(r, nil); e != nil {
		f.refuse(w, *e)
		return
	}
	if !f.accounts.take(1, time.Now()) {
		f.refuse(w, SESError{http.StatusTooManyRequests, "TooManyRequestsException", "Rate exceeded"})
		return
	}
	daily := f.opts.Daily
	if daily == 0 {
		daily = -1
	}
	sent, _ := f.Total()
	rate := f.opts.Rate
	if rate == 0 {
		rate = 1000
	}
	paused := f.paused()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"SendQuota":      map[string]any{"Max24HourSend": daily, "MaxSendRate": rate, "SentLast24Hours": sent},
		"SendingEnabled": !paused, "ProductionAccessEnabled": !f.opts.Sandbox, "EnforcementStatus": map[bool]string{false: "HEALTHY", true: "SHUTDOWN"}[paused],
	})
}

func (f *SES) refuse(w http.ResponseWriter, e SESError) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", e.Code)
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": e.Message})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c > '~' || c < ' ' })
}
