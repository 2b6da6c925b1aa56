// Package twilio sends text messages through Twilio's Messages API: [New].
//
// The API has no idempotency key. A request whose reply was lost may have been accepted, so the message is then looked up in
// the list of those sent to the number, and again before it is sent another time (see lookup.go). What Twilio says about a
// message becomes a verdict by its error code (see verdict.go).
//
// Sources: Twilio's OpenAPI document (twilio-oai), its page of error codes and the code of twilio-go.
package twilio

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/channel/sms"
)

// Config says which account sends and how.
type Config struct {
	URL        string // of the API, without a slash at its end; https://api.twilio.com if empty
	AccountSID string // AC…
	AuthToken  string // the password of requests without a key
	KeySID     string // SK…, the user name of requests; empty for AccountSID
	KeySecret  string
	From       string // number (E.164), short code or name that sends, or the id of a messaging service (MG…)
	Callback   string // URL to which Twilio reports; it gets the id of the message as d. Empty for none

	MaxSegments int           // of a message, 1 to sms.MaxSegments; 3 if zero
	Connections int           // requests at once; 10 if zero
	UrgentShare int           // percent of Connections that only urgent messages use
	Timeout     time.Duration // of one request; 15 s if zero

	Logger *slog.Logger // nil for silence
}

const (
	loudEvery   = time.Minute     // how often a broken account is logged
	checkedEach = 5 * time.Minute // how old a good check may be
	maxLists    = 4               // that are read for one message: two before and two after it is sent
)

// Twilio is a provider of text messages. It is safe for concurrent use.
type Twilio struct {
	*calls.Sender
	cfg      Config
	messages string // URL
	client   *http.Client
	log      *slog.Logger

	mu      sync.Mutex
	checked time.Time            // when Twilio last answered a check well
	loud    map[string]time.Time // when what is wrong was last logged
}

// New returns a provider, without connecting to it. The caller closes it.
func New(cfg Config) (*Twilio, error) {
	setDefaults(&cfg)
	base, err := calls.BaseURL("twilio_url", cfg.URL)
	if err != nil {
		return nil, err
	}
	cfg.URL = base
	if cfg.MaxSegments < 1 || cfg.MaxSegments > sms.MaxSegments {
		return nil, schoolbell.Invalid("sms_max_segments", "must be between 1 and %d", sms.MaxSegments)
	}
	t := &Twilio{
		cfg:      cfg,
		messages: cfg.URL + "/2010-04-01/Accounts/" + url.PathEscape(cfg.AccountSID) + "/Messages.json",
		client:   calls.NewClient(cfg.Connections),
		log:      cfg.Logger,
		loud:     map[string]time.Time{},
	}
	t.Sender = calls.New(calls.Config{
		Connections: cfg.Connections, UrgentShare: cfg.UrgentShare, Timeout: (1 + maxLists*maxPages) * cfg.Timeout,
		Call: func(ctx context.Context, group []schoolbell.Message) []schoolbell.Result {
			return []schoolbell.Result{t.send(ctx, group[0])}
		},
	})
	return t, nil
}

func setDefaults(cfg *Config) {
	if cfg.URL == "" {
		cfg.URL = "https://api.twilio.com"
	}
	if cfg.MaxSegments == 0 {
		cfg.MaxSegments = 3
	}
	if cfg.Connections <= 0 {
		cfg.Connections = 10
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.KeySID == "" {
		cfg.KeySID, cfg.KeySecret = cfg.AccountSID, cfg.AuthToken
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
}

// send sends a message that nobody has sent before, or that an earlier attempt perhaps sent.
func (t *Twilio) send(ctx context.Context, m schoolbell.Message) schoolbell.Result {
	body := sms.Fit(m.Text.String(), m.Link, t.cfg.MaxSegments)
	r := t.sendBody(ctx, m, body)
	r.Units, _ = sms.Segments(body)
	return r
}

func (t *Twilio) sendBody(ctx context.Context, m schoolbell.Message, body string) schoolbell.Result {
	if m.Resend {
		if r, done := t.earlier(ctx, m, body); done {
			return r
		}
	}
	began := time.Now()
	r := t.post(ctx, m, body)
	if r.Verdict != schoolbell.VerdictUncertain {
		return r
	}
	since := began
	if m.Resend {
		since = m.CreatedAt // an earlier attempt may appear in the list only now
	}
	if found, err := t.find(ctx, m.To, body, since); err == nil && len(found) > 0 {
		return t.found(m, found)
	}
	return r
}

// post offers a message to Twilio.
func (t *Twilio) post(ctx context.Context, m schoolbell.Message, body string) schoolbell.Result {
	reply, err := t.do(ctx, http.MethodPost, t.messages, t.form(m, body, time.Now()))
	if f, ok := err.(*calls.Failure); ok {
		return f.Result()
	}
	if err != nil {
		return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: err.Error()}
	}
	return t.judge(reply, m.To)
}

// form is the body of the request that sends a message.
func (t *Twilio) form(m schoolbell.Message, body string, now time.Time) url.Values {
	form := url.Values{"To": {m.To}, "Body": {body}}
	if strings.HasPrefix(t.cfg.From, "MG") {
		form.Set("MessagingServiceSid", t.cfg.From)
	} else {
		form.Set("From", t.cfg.From)
	}
	if t.cfg.Callback != "" {
		form.Set("StatusCallback", withToken(t.cfg.Callback, m.ID))
	}
	if seconds := validity(m.ExpiresAt, now); seconds > 0 {
		form.Set("ValidityPeriod", strconv.Itoa(seconds))
	}
	return form
}

// maxValidity is Twilio's longest validity period and its default, in seconds.
const maxValidity = 36_000

// validity is for how long Twilio may try to send a message, in seconds, or 0 if its default is short enough.
func validity(expires, now time.Time) int {
	if expires.IsZero() || expires.Sub(now) >= maxValidity*time.Second {
		return 0
	}
	return max(int(expires.Sub(now)/time.Second), 1)
}

// withToken adds the id of a message to the query of a URL.
func withToken(callback, id string) string {
	separator := "?"
	if strings.Contains(callback, "?") {
		separator = "&"
	}
	return callback + separator + "d=" + url.QueryEscape(id)
}

// do sends a request. A form makes it a POST. An error that is no *calls.Failure means that nothing was sent.
func (t *Twilio) do(ctx context.Context, method, address string, form url.Values) (calls.Reply, error) {
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return calls.Reply{}, fmt.Errorf("the request cannot be made")
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(t.cfg.KeySID, t.cfg.KeySecret)
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	return calls.Do(ctx, t.client, req)
}

// Check asks Twilio for one message of the account, which every credential that can send may read. It asks at most once
// in five minutes while the answer is good.
func (t *Twilio) Check(ctx context.Context) error {
	t.mu.Lock()
	fresh := time.Since(t.checked) < checkedEach
	t.mu.Unlock()
	if fresh {
		return nil
	}
	reply, err := t.do(ctx, http.MethodGet, t.messages+"?PageSize=1", nil)
	if err == nil && !reply.OK() {
		err = fmt.Errorf("%s", reason(reply.Status, problemOf(reply), ""))
	}
	if err != nil {
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "Twilio rejects all text messages", Err: err}
	}
	t.mu.Lock()
	t.checked = time.Now()
	t.mu.Unlock()
	return nil
}

// Close ends the connections that are not in use.
func (t *Twilio) Close() error {
	t.client.CloseIdleConnections()
	return nil
}

// complain logs what is wrong with the account or with most messages, but not for each of them.
func (t *Twilio) complain(level slog.Level, text, reason string) {
	t.mu.Lock()
	quiet := time.Since(t.loud[text]) < loudEvery
	if !quiet {
		t.loud[text], t.checked = time.Now(), time.Time{}
	}
	t.mu.Unlock()
	if !quiet {
		t.log.Log(context.Background(), level, text, "reason", reason)
	}
}
