package fake

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // version 1 of the signature
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// sns is the Amazon SNS that publishes the events of a fake SES. Its certificate is served by the fake, at the path that
// it would have at Amazon. It is safe for concurrent use.
type sns struct {
	region, topic, version string
	certPath               string

	keys func() (snsKeys, error) // made when they are needed

	mu        sync.Mutex
	tokens    map[string]string // of subscriptions that are not confirmed, by URL
	confirmed map[string]bool   // by token
	validated map[string]bool   // by URL
}

type snsKeys struct {
	own, other *rsa.PrivateKey // other has no certificate
	cert       []byte          // PEM
}

func newSNS(o SESOptions) *sns {
	s := &sns{region: o.Region, topic: o.Topic, version: o.SNSVersion, certPath: "/SimpleNotificationService-" + rand.Text() + ".pem",
		tokens: map[string]string{}, confirmed: map[string]bool{}, validated: map[string]bool{}}
	s.keys = sync.OnceValues(makeSNSKeys)
	return s
}

func makeSNSKeys() (k snsKeys, err error) {
	if k.own, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return k, fmt.Errorf("make a key: %w", err)
	}
	if k.other, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return k, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.own.PublicKey, k.own)
	if err != nil {
		return k, fmt.Errorf("make a certificate: %w", err)
	}
	k.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return k, nil
}

func (s *sns) origin() string { return "https://sns." + s.region + ".amazonaws.com" }

func (s *sns) getCertificate(w http.ResponseWriter, _ *http.Request) {
	k, err := s.keys()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(k.cert) // the client may have gone
}

// confirm answers a request for the SubscribeURL of a confirmation.
func (s *sns) confirm(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	token := q.Get("Token")
	known := false
	for _, t := range s.tokens {
		known = known || t == token
	}
	if q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != s.topic || !known {
		http.Error(w, "invalid token", http.StatusBadRequest)
		return
	}
	s.confirmed[token] = true
	_, _ = w.Write([]byte("<ConfirmSubscriptionResponse/>"))
}

// token is the token of the subscription of a URL.
func (s *sns) token(subscriber string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[subscriber] == "" {
		s.tokens[subscriber] = strings.ToLower(rand.Text())
	}
	return s.tokens[subscriber]
}

func (s *sns) isConfirmed(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirmed[token]
}

// once reports whether it is called for the first time for a subscriber.
func (s *sns) once(subscriber string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.validated[subscriber]
	s.validated[subscriber] = true
	return first
}

// snsMessage is a message as SNS posts it. Fields are signed in the order of their names.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicArn         string
	Subject          string `json:",omitempty"`
	Message          string
	Timestamp        string
	Token            string `json:",omitempty"`
	SubscribeURL     string `json:",omitempty"`
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// send signs and posts a message.
func (f *SES) send(ctx context.Context, to string, m snsMessage, forged bool) error {
	keys, err := f.sns.keys()
	if err != nil {
		return err
	}
	key := keys.own
	if forged {
		key = keys.other
	}
	m.TopicArn, m.SignatureVersion, m.SigningCertURL = f.sns.topic, f.sns.version, f.sns.origin()+f.sns.certPath
	m.Timestamp = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	if m.Signature, err = m.sign(key); err != nil {
		return err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write the message of SNS: %w", err)
	}
	return f.post(ctx, to, "text/plain; charset=UTF-8", string(body), map[string]string{
		"x-amz-sns-message-type": m.Type, "x-amz-sns-message-id": m.MessageID, "x-amz-sns-topic-arn": m.TopicArn,
	})
}

func (m *snsMessage) sign(key *rsa.PrivateKey) (string, error) {
	text := ""
	for _, field := range [][2]string{{"Message", m.Message}, {"MessageId", m.MessageID}, {"Subject", m.Subject}, {"SubscribeURL", m.SubscribeURL},
		{"Timestamp", m.Timestamp}, {"Token", m.Token}, {"TopicArn", m.TopicArn}, {"Type", m.Type}} {
		if field[1] != "" {
			text += field[0] + "\n" + field[1] + "\n"
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if m.SignatureVersion == "1" {
		sum := sha1.Sum([]byte(text))
		hash, digest = crypto.SHA1, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	if err != nil {
		return "", fmt.Errorf("sign the message of SNS: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// subscribe asks a subscriber to confirm, until it has. Then SES says that it may publish, which is no event.
func (f *SES) subscribe(ctx context.Context, to string) error {
	token := f.sns.token(to)
	if !f.sns.isConfirmed(token) {
		q := url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {f.sns.topic}, "Token": {token}}
		err := f.send(ctx, to, snsMessage{Type: "SubscriptionConfirmation", MessageID: "confirm-" + token, Token: token, SubscribeURL: f.sns.origin() + "/?" + q.Encode(),
			Message: "You have chosen to subscribe to the topic " + f.sns.topic + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."}, false)
		if err != nil {
			return fmt.Errorf("ask for the confirmation of the subscription: %w", err)
		}
		if !f.sns.isConfirmed(token) {
			return fmt.Errorf("%s took the message but did not confirm the subscription", to)
		}
	}
	if !f.sns.once(to) {
		return nil
	}
	return f.send(ctx, to, snsMessage{Type: "Notification", MessageID: "validated-" + token, Subject: "Amazon SES Email Event Notification",
		Message: "Successfully validated SNS topic for Amazon SES event publishing."}, false)
}

// publish reports what happens to an email. A repeated report is the same message.
func (f *SES) publish(ctx context.Context, to string, m Email, r Report) error {
	if err := f.subscribe(ctx, to); err != nil {
		return err
	}
	forged := r == ReportForged
	if forged {
		r = ReportDelivered
	}
	event, err := json.Marshal(sesEvent(m, r))
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	return f.send(ctx, to, snsMessage{Type: "Notification", MessageID: string(r) + "-" + m.ID, Subject: "Amazon SES Email Event Notification", Message: string(event)}, forged)
}

// sesEvent is a report as an event.
func sesEvent(m Email, r Report) map[string]any {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	e := map[string]any{"mail": map[string]any{
		"timestamp": now, "messageId": m.ID, "source": m.From, "destination": []string{m.To}, "headersTruncated": false,
		"headers":       []map[string]string{{"name": "Message-ID", "value": m.messageID}, {"name": "To", "value": m.To}},
		"commonHeaders": map[string]any{"to": []string{m.To}, "messageId": m.ID, "subject": m.Subject},
		"tags":          map[string][]string{"schoolbell_message": {m.Token}, "ses:configuration-set": {"bell"}},
	}}
	bounce := func(kind, sub, status, text string) {
		e["eventType"] = "Bounce"
		e["bounce"] = map[string]any{"bounceType": kind, "bounceSubType": sub, "timestamp": now, "feedbackId": m.ID + "-bounce", "reportingMTA": "dsn; a8-1.smtp-out.amazonses.com",
			"bouncedRecipients": []map[string]string{{"emailAddress": m.To, "action": "failed", "status": status, "diagnosticCode": "smtp; " + text}}}
	}
	switch r {
	case ReportAccepted:
		e["eventType"], e["send"] = "Send", map[string]any{}
	case ReportDelivered:
		e["eventType"] = "Delivery"
		e["delivery"] = map[string]any{"timestamp": now, "processingTimeMillis": 500, "recipients": []string{m.To}, "smtpResponse": "250 OK", "reportingMTA": "a8-1.smtp-out.amazonses.com"}
	case ReportBounced:
		bounce("Permanent", "General", "5.1.1", "550 5.1.1 <"+m.To+">: no such user")
	case ReportFull:
		bounce("Transient", "MailboxFull", "5.2.2", "552 5.2.2 <"+m.To+">: mailbox full")
	case ReportComplained:
		e["eventType"] = "Complaint"
		e["complaint"] = map[string]any{"complainedRecipients": []map[string]string{{"emailAddress": m.To}}, "timestamp": now, "feedbackId": m.ID + "-complaint", "complaintFeedbackType": "abuse"}
	}
	return e
}
