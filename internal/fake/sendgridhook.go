package fake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// hookKey signs the requests of every fake of SendGrid, so that settings stay valid when a fake starts again.
var hookKey = keyOf("schoolbell fake sendgrid")

// keyOf returns a key that depends on a text only. It is no secret.
func keyOf(text string) *ecdsa.PrivateKey {
	scalar := sha256.Sum256([]byte(text))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		panic(err) // the texts here give keys
	}
	return key
}

// WebhookKey is the public key of the signed event webhook, as SendGrid shows it: Base64 of a SubjectPublicKeyInfo.
func (f *SendGrid) WebhookKey() string {
	der, err := x509.MarshalPKIXPublicKey(&hookKey.PublicKey)
	if err != nil {
		panic(err) // it is a key of P-256
	}
	return base64.StdEncoding.EncodeToString(der)
}

// callHook makes a request with one event. A repeated report has the same id, and a new timestamp.
func (f *SendGrid) callHook(ctx context.Context, url string, m Email, r Report) error {
	key := hookKey
	if r == ReportForged {
		key, r = keyOf("somebody else"), ReportDelivered
	}
	text, err := json.Marshal([]map[string]any{sendGridEvent(m, r)})
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	body, stamp := string(text)+"\r\n", strconv.FormatInt(time.Now().Unix(), 10)
	digest := sha256.Sum256([]byte(stamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return fmt.Errorf("sign the event: %w", err)
	}
	return f.post(ctx, url, "application/json", body, map[string]string{
		"X-Twilio-Email-Event-Webhook-Signature": base64.StdEncoding.EncodeToString(signature),
		"X-Twilio-Email-Event-Webhook-Timestamp": stamp,
	})
}

// sendGridEvent is a report as an event.
func sendGridEvent(m Email, r Report) map[string]any {
	e := map[string]any{
		"email": m.To, "timestamp": time.Now().Unix(), "smtp-id": m.messageID, "sg_message_id": m.ID, "schoolbell_message": m.Token,
		"sg_event_id": base64.RawURLEncoding.EncodeToString([]byte(string(r) + m.ID)), "category": []string{},
	}
	switch r {
	case ReportAccepted:
		e["event"] = "processed"
	case ReportDelivered:
		e["event"], e["response"], e["tls"] = "delivered", "250 OK", 1
	case ReportBounced:
		e["event"], e["type"], e["status"], e["bounce_classification"] = "bounce", "bounce", "5.1.1", "Invalid Address"
		e["reason"] = "550 5.1.1 <" + m.To + ">: no such user"
	case ReportFull:
		e["event"], e["type"], e["status"], e["bounce_classification"] = "bounce", "bounce", "5.2.2", "Mailbox Unavailable"
		e["reason"] = "552 5.2.2 <" + m.To + ">: mailbox full"
	case ReportComplained:
		e["event"] = "spamreport"
	}
	return e
}
