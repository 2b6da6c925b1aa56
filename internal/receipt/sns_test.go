package receipt

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
)

const (
	topic   = "arn:aws:sns:eu-west-1:123456789012:bell"
	certURL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem"
)

var testTime = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

// amazon signs messages as SNS does, and serves its certificate and confirmations.
type amazon struct {
	t    testing.TB
	key  *rsa.PrivateKey
	cert []byte

	mu  sync.Mutex
	got []string // URLs
	err error    // of the next reads
}

var amazonKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newAmazon(t testing.TB) *amazon {
	t.Helper()
	key, err := amazonKey()
	must(t, err)
	return &amazon{t: t, key: key, cert: certificate(t, key.Public(), key, testTime.Add(time.Hour))}
}

// certificate returns a certificate of a key in PEM that is valid for a day until a time.
func certificate(t testing.TB, public crypto.PublicKey, signer crypto.Signer, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (a *amazon) get(_ context.Context, url string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, url)
	return a.cert, a.err
}

func (a *amazon) reads() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.got, " ")
}

// sign completes a message and returns it as SNS posts it.
func (a *amazon) sign(m snsMessage) []byte {
	a.t.Helper()
	if m.SignatureVersion == "" {
		m.SignatureVersion = "2"
	}
	if m.SigningCertURL == "" {
		m.SigningCertURL = certURL
	}
	hash, digest := crypto.SHA256, sha256.Sum256([]byte(m.signed()))
	sum := digest[:]
	if m.SignatureVersion == "1" {
		d := sha1.Sum([]byte(m.signed()))
		hash, sum = crypto.SHA1, d[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, hash, sum)
	must(a.t, err)
	m.Signature = base64.StdEncoding.EncodeToString(signature)
	text, err := json.Marshal(m)
	must(a.t, err)
	return text
}

func notification(message string) snsMessage {
	return snsMessage{Type: snsNotification, MessageID: "m-1", TopicARN: topic, Message: message, Timestamp: "2026-11-25T10:00:00.000Z"}
}

// service is a service that takes receipts of SES.
func (a *amazon) service(store Store) *Service {
	return New(Config{Secret: "s", SESTopics: []string{topic}, Get: a.get, Clock: func() time.Time { return testTime }}, store, slog.New(slog.DiscardHandler))
}

// kept is a ledger that keeps what it is told.
type kept struct {
	receipts []schoolbell.Receipt
	err      error
}

func (k *kept) RecordReceipts(_ context.Context, receipts []schoolbell.Receipt) (int, error) {
	k.receipts = append(k.receipts, receipts...)
	return len(receipts), k.err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSNS(t *testing.T) {
	t.Parallel()
	t.Run("the signed text is that of the documentation", testSNSSignedText)
	t.Run("both versions of the signature are accepted", testSNSVersions)
	t.Run("messages that Amazon did not sign for us are refused", testSNSForged)
	t.Run("a listed topic is confirmed", testSNSConfirmation)
	t.Run("an unavailable certificate is a temporary failure", testSNSUnavailable)
}

func testSNSSignedText(t *testing.T) {
	t.Parallel()
	const example = `{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-west-1:123456789012:bell","Subject":"s","Message":"hello","Timestamp":"2026-11-25T10:00:00.000Z"}`
	var m snsMessage
	must(t, json.Unmarshal([]byte(example), &m))
	sum := sha256.Sum256([]byte(m.signed()))
	if got := hex.EncodeToString(sum[:]); got != "df418cb484713a28c2fde32f74c85d8b5727a153238afa1c5a4ad689e76ab41e" {
		t.Errorf("digest %s of %q", got, m.signed())
	}
	confirmation := snsMessage{Type: snsConfirmation, Message: "m", MessageID: "i", SubscribeURL: "u", Timestamp: "t", Token: "k", TopicARN: "a"}
	if got, want := confirmation.signed(), "Message\nm\nMessageId\ni\nSubscribeURL\nu\nTimestamp\nt\nToken\nk\nTopicArn\na\nType\nSubscriptionConfirmation\n"; got != want {
		t.Errorf("signed %q, want %q", got, want)
	}
}

func testSNSVersions(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	ledger := &kept{}
	s := a.service(ledger)
	subject := "Subject"
	for _, version := range []string{"1", "2"} {
		for _, subject := range []*string{nil, &subject} {
			m := notification(event("Send", `"send":{}`))
			m.SignatureVersion, m.Subject = version, subject
			must(t, s.Take(t.Context(), SES, Request{Body: a.sign(m)}))
		}
	}
	if len(ledger.receipts) != 4 {
		t.Errorf("%d receipts, want 4", len(ledger.receipts))
	}
	if got := a.reads(); got != certURL {
		t.Errorf("read %s, want the certificate once", got)
	}
}

func testSNSForged(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	good := notification(event("Send", `"send":{}`))
	with := func(change func(*snsMessage)) []byte {
		m := good
		change(&m)
		return a.sign(m)
	}
	for _, c := range []struct {
		name string
		body []byte
		cert []byte
	}{
		{"another text", []byte(strings.Replace(string(a.sign(good)), "m-1", "m-2", 1)), nil},
		{"another topic", with(func(m *snsMessage) { m.TopicARN = "arn:aws:sns:eu-west-1:123456789012:other" }), nil},
		{"another type", with(func(m *snsMessage) { m.Type = "Other" }), nil},
		{"another version", with(func(m *snsMessage) { m.SignatureVersion = "3" }), nil},
		{"no signature", []byte(`{"Type":"Notification","TopicArn":"` + topic + `","SignatureVersion":"2","SigningCertURL":"` + certURL + `"}`), nil},
		{"no JSON", []byte("hello"), nil},
		{"a host that ends likewise", with(func(m *snsMessage) { m.SigningCertURL = "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem" }), nil},
		{"a host that begins likewise", with(func(m *snsMessage) { m.SigningCertURL = "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem" }), nil},
		{"another port", with(func(m *snsMessage) { m.SigningCertURL = "https://sns.eu-west-1.amazonaws.com:8443/x.pem" }), nil},
		{"no TLS", with(func(m *snsMessage) { m.SigningCertURL = "http://sns.eu-west-1.amazonaws.com/x.pem" }), nil},
		{"no certificate", with(func(m *snsMessage) { m.SigningCertURL = "https://sns.eu-west-1.amazonaws.com/x.txt" }), nil},
		{"a bucket", with(func(m *snsMessage) { m.SigningCertURL = "https://sns.s3.amazonaws.com/x.pem" }), nil},
		{"a bucket of a region", with(func(m *snsMessage) { m.SigningCertURL = "https://sns.s3-eu-west-1.amazonaws.com/x.pem" }), nil},
		{"an expired certificate", a.sign(good), certificate(t, a.key.Public(), a.key, testTime.Add(-time.Second))},
		{"a certificate of later", a.sign(good), certificate(t, a.key.Public(), a.key, testTime.Add(25*time.Hour))},
		{"a certificate that is none", a.sign(good), []byte("hello")},
		{"the certificate of another key", a.sign(good), otherCertificate(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newAmazon(t)
			if c.cert != nil {
				b.cert = c.cert
			}
			ledger := &kept{}
			err := b.service(ledger).Take(t.Context(), SES, Request{Body: c.body})
			if schoolbell.CodeOf(err) != schoolbell.CodeForbidden || len(ledger.receipts) > 0 {
				t.Errorf("%d receipts, error %v", len(ledger.receipts), err)
			}
			if reads := b.reads(); reads != "" && reads != certURL {
				t.Errorf("read %s", reads)
			}
		})
	}
}

func otherCertificate(t testing.TB) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return certificate(t, key.Public(), key, testTime.Add(time.Hour))
}

func testSNSConfirmation(t *testing.T) {
	t.Parallel()
	const subscribe = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
	a := newAmazon(t)
	s := a.service(&kept{err: errors.New("nothing must be recorded")})
	confirmation := snsMessage{Type: snsConfirmation, MessageID: "m-1", TopicARN: topic, Message: "You have chosen …", Token: "t", SubscribeURL: subscribe, Timestamp: "2026-11-25T10:00:00.000Z"}
	must(t, s.Take(t.Context(), SES, Request{Body: a.sign(confirmation)}))
	if got := a.reads(); got != certURL+" "+subscribe {
		t.Errorf("read %s", got)
	}
	elsewhere, other := confirmation, confirmation
	elsewhere.SubscribeURL, other.TopicARN = "https://internal.example/", "arn:aws:sns:eu-west-1:123456789012:other"
	for _, m := range []snsMessage{elsewhere, other} {
		if err := s.Take(t.Context(), SES, Request{Body: a.sign(m)}); schoolbell.CodeOf(err) != schoolbell.CodeForbidden {
			t.Errorf("confirmed %s of %s: %v", m.SubscribeURL, m.TopicARN, err)
		}
	}
	if got := a.reads(); got != certURL+" "+subscribe {
		t.Errorf("read %s", got)
	}
	ended := confirmation
	ended.Type = snsUnsubscribed
	must(t, s.Take(t.Context(), SES, Request{Body: a.sign(ended)}))
	must(t, s.Take(t.Context(), SES, Request{Body: a.sign(notification(sesValidated))}))
}

func testSNSUnavailable(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	ledger := &kept{}
	s := a.service(ledger)
	a.err = errors.New("no route to host")
	m := a.sign(notification(event("Send", `"send":{}`)))
	if err := s.Take(t.Context(), SES, Request{Body: m}); schoolbell.CodeOf(err) != schoolbell.CodeUnavailable {
		t.Errorf("the certificate is unavailable: %v", err)
	}
	a.err = nil
	must(t, s.Take(t.Context(), SES, Request{Body: m}))
	if len(ledger.receipts) != 1 {
		t.Errorf("%d receipts after it is available", len(ledger.receipts))
	}
}
