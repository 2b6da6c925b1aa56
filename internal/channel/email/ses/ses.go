// Package ses sends email through Amazon SES: SendEmail of API version 2, with a whole email (raw MIME) for each
// recipient. The reference is https://docs.aws.amazon.com/ses/latest/APIReference-V2/.
//
// SES replaces the Message-ID and the date of an email. Its events name a message by the tag [TagName].
package ses

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/channel/email"
)

// TagName is the name of the tag that carries the id of a message. Events of SES have it in mail.tags.
const TagName = "schoolbell_message"

const (
	sendPath    = "/v2/email/outbound-emails"
	accountPath = "/v2/email/account"
	serviceName = "ses" // in signatures

	defaultConnections = 20
	defaultTimeout     = 30 * time.Second
)

// Config says which account sends and how. Zero values mean the defaults named.
type Config struct {
	Endpoint         string // URL; that of the region
	Region           string // such as eu-west-1
	AccessKeyID      string
	SecretAccessKey  string
	SessionToken     string // of temporary credentials only
	ConfigurationSet string // that the emails use; none

	From    string // as in "Hill School <office@hill.example>"
	ReplyTo string // optional, as From

	Connections int           // requests at once; 20
	UrgentShare int           // percent of Connections that only urgent email uses
	Timeout     time.Duration // of one request; 30 s

	Logger *slog.Logger // nil for silence
}

// SES sends email through one account and region. It is safe for concurrent use.
type SES struct {
	cfg      Config
	composer *email.Composer
	client   *http.Client
	signer   *v4.Signer
	sender   *calls.Sender
	account  account
	stop     *calls.Stop
}

// LaneSender sends the email of one lane.
type LaneSender = calls.LaneSender

// New returns a provider over the account that cfg names, without connecting to it. The caller closes it.
func New(cfg Config) (*SES, error) {
	if cfg.Region == "" {
		return nil, schoolbell.Invalid("aws_region", "must be a region such as eu-west-1")
	}
	if cfg.AccessKeyID == "" || cfg.SecretAccessKey == "" {
		return nil, schoolbell.Invalid("aws_secret_access_key", "an access key id and its secret are required")
	}
	endpoint, err := calls.BaseURL("ses_endpoint", cmp.Or(cfg.Endpoint, "https://email."+cfg.Region+".amazonaws.com"))
	if err != nil {
		return nil, err
	}
	cfg.Endpoint = endpoint
	cfg.Connections, cfg.Timeout = cmp.Or(max(0, cfg.Connections), defaultConnections), cmp.Or(max(0, cfg.Timeout), defaultTimeout)
	composer, err := email.NewComposer(cfg.From, cfg.ReplyTo)
	if err != nil {
		return nil, err
	}
	if !address.IsASCII(composer.Sender()) {
		return nil, schoolbell.Invalid("email_from", "Amazon SES accepts only ASCII characters before the @")
	}
	s := &SES{cfg: cfg, composer: composer, client: calls.NewClient(cfg.Connections), signer: v4.NewSigner(), account: newAccount(),
		stop: calls.NewStop(cfg.Logger, "Amazon SES rejects all email; check the AWS settings and the account")}
	s.sender = calls.New(calls.Config{Connections: cfg.Connections, UrgentShare: cfg.UrgentShare, Timeout: cfg.Timeout, Call: s.call})
	return s, nil
}

// Lane returns the sender of a lane. Both lanes share the connections.
func (s *SES) Lane(lane schoolbell.Lane) LaneSender { return s.sender.Lane(lane) }

// Close ends the connections that are not in use.
func (s *SES) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// call sends one message.
func (s *SES) call(ctx context.Context, group []schoolbell.Message) []schoolbell.Result {
	return []schoolbell.Result{s.send(ctx, &group[0])}
}

func (s *SES) send(ctx context.Context, m *schoolbell.Message) schoolbell.Result {
	body, err := s.body(m)
	if err != nil {
		return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: calls.Words(err.Error())}
	}
	reply, err := s.do(ctx, http.MethodPost, sendPath, body)
	if err != nil {
		return s.heed(failed(err))
	}
	if !reply.OK() {
		return s.heed(refused(parseError(reply), s.composer.Sender()))
	}
	var taken struct {
		MessageID string `json:"MessageId"`
	}
	if err := json.Unmarshal(reply.Body, &taken); err != nil || taken.MessageID == "" {
		return schoolbell.Result{Verdict: schoolbell.VerdictUncertain, Reason: "SES: the reply has no MessageId"}
	}
	s.stop.Taken()
	return schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: taken.MessageID}
}

// failed is the result of a request without a whole reply.
func failed(err error) schoolbell.Result {
	if f, ok := errors.AsType[*calls.Failure](err); ok {
		return f.ResultOf("SES")
	}
	return schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: calls.Words(err.Error()), Down: true}
}

// heed remembers what a result says about all messages.
func (s *SES) heed(r schoolbell.Result) schoolbell.Result {
	if r.Down {
		s.account.forget()
		s.stop.Rejected(r.Reason, max(r.After, time.Second))
	}
	return r
}

// sendEmail is the body of SendEmail.
type sendEmail struct {
	ConfigurationSetName string `json:",omitempty"`
	Content              struct {
		Raw struct{ Data []byte } // Base64 in JSON
	}
	Destination      struct{ ToAddresses []string }
	EmailTags        []emailTag
	FromEmailAddress string
}

type emailTag struct{ Name, Value string }

// body returns the body of the request for m. The error is the reason why there can be none.
func (s *SES) body(m *schoolbell.Message) ([]byte, error) {
	to, err := email.Recipient(m)
	switch {
	case err != nil:
		return nil, err
	case !address.IsASCII(to):
		return nil, errors.New("SES does not accept non-ASCII characters before the @ (SMTPUTF8)")
	}
	key, err := schoolbell.ParseMessageKey(m.ID)
	if err != nil {
		return nil, errors.New("the id of the message cannot be a tag of Amazon SES")
	}
	b := sendEmail{ConfigurationSetName: s.cfg.ConfigurationSet, FromEmailAddress: s.composer.Sender(), EmailTags: []emailTag{{TagName, key.Tag()}}}
	b.Content.Raw.Data = s.composer.Append(nil, m, to, time.Now())
	b.Destination.ToAddresses = []string{to}
	return json.Marshal(b)
}

// do sends a signed request. The error is a *calls.Failure, or the request could not be signed.
func (s *SES) do(ctx context.Context, method, path string, body []byte) (calls.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.cfg.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return calls.Reply{}, errors.New("the request to Amazon SES cannot be made: SES_ENDPOINT is no URL")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: s.cfg.AccessKeyID, SecretAccessKey: s.cfg.SecretAccessKey, SessionToken: s.cfg.SessionToken}
	if err := s.signer.SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), serviceName, s.cfg.Region, time.Now()); err != nil {
		return calls.Reply{}, errors.New("the request to Amazon SES cannot be signed")
	}
	return calls.Do(ctx, s.client, req)
}
