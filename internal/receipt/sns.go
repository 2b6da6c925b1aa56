package receipt

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // version 1 of the signature, the default of a topic
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"schoolbell"
)

// The types of SNS messages.
const (
	snsNotification = "Notification"
	snsConfirmation = "SubscriptionConfirmation"
	snsUnsubscribed = "UnsubscribeConfirmation"
)

// snsMessage is a message that Amazon SNS posts.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          *string
	Message          string
	Timestamp        string
	Token            string
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// signed returns the text that the signature is over: names and values of fields in the order of the names, as the
// documentation of SNS and npm sns-validator have it.
func (m *snsMessage) signed() string {
	fields := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type == snsNotification {
		if m.Subject != nil {
			fields = append(fields, "Subject", *m.Subject)
		}
		fields = append(fields, "Timestamp", m.Timestamp)
	} else {
		fields = append(fields, "SubscribeURL", m.SubscribeURL, "Timestamp", m.Timestamp, "Token", m.Token)
	}
	fields = append(fields, "TopicArn", m.TopicARN, "Type", m.Type)
	return strings.Join(fields, "\n") + "\n"
}

// sns verifies messages of Amazon SNS. It is safe for concurrent use.
type sns struct {
	topics []string
	get    func(ctx context.Context, url string) ([]byte, error)
	now    func() time.Time

	mu    sync.Mutex
	certs map[string]*x509.Certificate // by URL
}

// maxCerts is how many certificates are remembered. A region has one at a time.
const maxCerts = 16

// verify decodes a message and checks that Amazon sent it, for one of our topics: anybody can subscribe our URL to
// a topic of theirs, and Amazon signs its messages as well.
func (s *sns) verify(ctx context.Context, body []byte) (*snsMessage, error) {
	var m snsMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, forged("the request is no message of Amazon SNS")
	}
	switch m.Type {
	case snsNotification, snsConfirmation, snsUnsubscribed:
	default:
		return nil, forged("the type of the SNS message is not known")
	}
	if !slices.Contains(s.topics, m.TopicARN) {
		return nil, forged("the topic is not one of SES_TOPIC_ARNS")
	}
	u, ok := amazonURL(m.SigningCertURL)
	if !ok || !strings.HasSuffix(u.Path, ".pem") {
		return nil, forged("the certificate is not at a host of Amazon SNS")
	}
	cert, err := s.cert(ctx, m.SigningCertURL)
	if err != nil {
		return nil, err
	}
	return &m, checkSNSSignature(&m, cert)
}

// amazonHost matches the hosts of SNS by their regions. The rule of npm sns-validator is wider: it would let through a
// bucket called sns at s3-eu-west-1.
var amazonHost = regexp.MustCompile(`^sns\.[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(\.cn)?$`)

// amazonURL returns a URL if it is one of Amazon SNS, over HTTPS at its usual port.
func amazonURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	return u, err == nil && u.Scheme == "https" && u.User == nil && amazonHost.MatchString(u.Host)
}

// checkSNSSignature checks the signature of a message: RSA with PKCS #1 v1.5, over SHA-1 in version 1.
func checkSNSSignature(m *snsMessage, cert *x509.Certificate) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return forged("the certificate of the SNS message has no RSA key")
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return forged("the signature of the SNS message is not Base64")
	}
	switch m.SignatureVersion {
	case "1":
		digest := sha1.Sum([]byte(m.signed()))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature)
	case "2":
		digest := sha256.Sum256([]byte(m.signed()))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
	default:
		return forged("the version of the SNS signature is not known")
	}
	if err != nil {
		return forged("the signature of the SNS message is wrong")
	}
	return nil
}

// cert returns the certificate at a URL that has been checked, and reads it if it is not known. It must be valid
// now. Its chain is not checked: Amazon serves it without the intermediate certificate (github.com/robbiet480/go.sns,
// issue 8). That it is Amazon's follows from the host, whose name TLS checks.
func (s *sns) cert(ctx context.Context, certURL string) (*x509.Certificate, error) {
	s.mu.Lock()
	cert := s.certs[certURL]
	s.mu.Unlock()
	if cert == nil {
		text, err := s.get(ctx, certURL)
		if err != nil {
			return nil, &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the certificate of Amazon SNS cannot be read", Err: err}
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, forged("the certificate of the SNS message is not in PEM")
		}
		if cert, err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, forged("the certificate of the SNS message cannot be decoded")
		}
		s.remember(certURL, cert)
	}
	if now := s.now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, forged("the certificate of the SNS message is not valid at this time")
	}
	return cert, nil
}

func (s *sns) remember(certURL string, cert *x509.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.certs) >= maxCerts {
		clear(s.certs)
	}
	s.certs[certURL] = cert
}

// confirm tells SNS that the subscription of a verified message is wanted.
func (s *sns) confirm(ctx context.Context, m *snsMessage) error {
	if _, ok := amazonURL(m.SubscribeURL); !ok {
		return forged("the subscription is not at a host of Amazon SNS")
	}
	if _, err := s.get(ctx, m.SubscribeURL); err != nil {
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the subscription cannot be confirmed at Amazon SNS", Err: err}
	}
	return nil
}
