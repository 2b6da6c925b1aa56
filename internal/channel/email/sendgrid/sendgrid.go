// Package sendgrid sends email through SendGrid's Web API v3 (POST /v3/mail/send). The reference is
// https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send.
//
// SendGrid's events name a message by the custom argument [ArgName].
package sendgrid

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/channel/email"
)

const (
	defaultURL = "https://api.sendgrid.com"
	sendPath   = "/v3/mail/send"
	scopesPath = "/v3/scopes"

	defaultConnections = 20
	defaultTimeout     = 30 * time.Second

	maxGroup    = 1000             // personalizations of a request
	checkedAge  = time.Minute      // how long a good answer to a check is relied on
	maxRejected = 5                // requests of a group of which some recipients are refused
	maxBody     = 30 << 20         // bytes of a request
	maxReset    = 15 * time.Minute // that a reply may ask to wait
)

// Config says which account sends and how. Zero values mean the defaults named.
type Config struct {
	URL    string // https://api.sendgrid.com
	APIKey string

	From    string // as in "Hill School <office@hill.example>"
	ReplyTo string // optional, as From

	Connections int           // requests at once; 20
	UrgentShare int           // percent of Connections that only urgent email uses
	Timeout     time.Duration // of one request; 30 s

	Logger *slog.Logger // nil for silence
}

// SendGrid sends email through one account. It is safe for concurrent use.
type SendGrid struct {
	cfg      Config
	composer *email.Composer
	from     mailbox
	replyTo  *mailbox
	client   *http.Client
	sender   *calls.Sender
	stop     *calls.Stop

	mu      sync.Mutex
	checked time.Time // when SendGrid last said that it would take email
}

// LaneSender sends the email of one lane.
type LaneSender = calls.LaneSender

// New returns a provider over the account that cfg names, without connecting to it. The caller closes it.
func New(cfg Config) (*SendGrid, error) {
	if cfg.APIKey == "" || strings.ContainsAny(cfg.APIKey, " \t\r\n") {
		return nil, schoolbell.Invalid("sendgrid_api_key", "must be an API key such as SG.xxx")
	}
	base, err := calls.BaseURL("sendgrid_url", cmp.Or(cfg.URL, defaultURL))
	if err != nil {
		return nil, err
	}
	cfg.URL = base
	cfg.Connections, cfg.Timeout = cmp.Or(max(0, cfg.Connections), defaultConnections), cmp.Or(max(0, cfg.Timeout), defaultTimeout)
	s := &SendGrid{cfg: cfg, client: calls.NewClient(cfg.Connections),
		stop: calls.NewStop(cfg.Logger, "SendGrid rejects all email; check SENDGRID_API_KEY and the account")}
	if err := s.setSender(); err != nil {
		return nil, err
	}
	s.sender = calls.New(calls.Config{Connections: cfg.Connections, UrgentShare: cfg.UrgentShare, Timeout: cfg.Timeout, Group: group, Call: s.call})
	return s, nil
}

func (s *SendGrid) setSender() (err error) {
	if s.composer, err = email.NewComposer(s.cfg.From, s.cfg.ReplyTo); err != nil {
		return err
	}
	from, err := email.ParseSender("email_from", s.cfg.From)
	if err != nil {
		return err
	}
	s.from = mailbox{Email: from.Address, Name: from.Name}
	if s.cfg.ReplyTo == "" {
		return nil
	}
	reply, err := email.ParseSender("email_reply_to", s.cfg.ReplyTo)
	if err != nil {
		return err
	}
	s.replyTo = &mailbox{Email: reply.Address, Name: reply.Name}
	return nil
}

// Lane returns the sender of a lane. Both lanes share the connections.
func (s *SendGrid) Lane(lane schoolbell.Lane) LaneSender { return s.sender.Lane(lane) }

// Close ends the connections that are not in use.
func (s *SendGrid) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// call sends the messages of a group in one request. SendGrid takes all of them or none, so a group of which it refuses
// some recipients is sent again without these.
func (s *SendGrid) call(ctx context.Context, msgs []schoolbell.Message) []schoolbell.Result {
	results := make([]schoolbell.Result, len(msgs))
	left := s.sendable(msgs, results)
	for range maxRejected {
		if len(left) == 0 {
			return results
		}
		reply, err := s.post(ctx, msgs, left)
		if err != nil {
			s.tell(results, left, failed(err))
			return results
		}
		at, reason := refusedRecipients(reply, len(left))
		if len(at) == 0 {
			s.tell(results, left, s.result(reply))
			return results
		}
		left = withoutRefused(results, left, at, reason)
	}
	s.tell(results, left, schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: "SendGrid refused other recipients of the same request"})
	return results
}

// sendable returns the places of the messages that can be emails, and gives the others up.
func (s *SendGrid) sendable(msgs []schoolbell.Message, results []schoolbell.Result) (places []int) {
	for i := range msgs {
		if _, err := email.Recipient(&msgs[i]); err != nil {
			results[i] = schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: calls.Words(err.Error())}
			continue
		}
		places = append(places, i)
	}
	return places
}

// withoutRefused gives up the messages whose recipients were refused, and returns the places of the others.
func withoutRefused(results []schoolbell.Result, places []int, refused map[int]bool, reason string) (left []int) {
	for n, i := range places {
		if refused[n] {
			results[i] = schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: reason}
			continue
		}
		left = append(left, i)
	}
	return left
}

// tell gives all messages at places the same result, and remembers what it says about all email.
func (s *SendGrid) tell(results []schoolbell.Result, places []int, r schoolbell.Result) {
	for _, i := range places {
		results[i] = r
	}
	switch {
	case r.Verdict == schoolbell.VerdictSent:
		s.stop.Taken()
	case r.Down:
		s.forget()
		s.stop.Rejected(r.Reason, max(r.After, time.Second))
	}
}

// failed is the result of a request without a whole reply.
func failed(err error) schoolbell.Result {
	if f, ok := errors.AsType[*calls.Failure](err); ok {
		return f.ResultOf("SendGrid")
	}
	return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: calls.Words(err.Error())}
}

// post sends the messages at places in one request. The error is a *calls.Failure, or the request cannot be made.
func (s *SendGrid) post(ctx context.Context, msgs []schoolbell.Message, places []int) (calls.Reply, error) {
	body, err := json.Marshal(s.body(msgs, places))
	if err != nil {
		return calls.Reply{}, errors.New("the email cannot be written as JSON")
	}
	if len(body) > maxBody {
		return calls.Reply{}, errors.New("the email is larger than SendGrid accepts")
	}
	return s.do(ctx, http.MethodPost, sendPath, body)
}

func (s *SendGrid) do(ctx context.Context, method, path string, body []byte) (calls.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.cfg.URL+path, bytes.NewReader(body))
	if err != nil {
		return calls.Reply{}, errors.New("the request to SendGrid cannot be made: SENDGRID_URL is no URL")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+s.cfg.APIKey)
	return calls.Do(ctx, s.client, req)
}
