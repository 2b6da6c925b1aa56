package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"regexp"
	"time"

	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/channel/email/returnpath"
)

// Receipts settings say which providers may tell about messages after they were sent.
type Receipts struct {
	Secret       Secret        `name:"receipt-secret" setting:"RECEIPT_SECRET" placeholder:"SECRET" help:"Secret in the URLs at which providers send receipts, /v1/receipts/ses/SECRET and others. Letters, digits, - and _. No receipts are taken if empty."`
	SESTopics    []string      `name:"ses-topic-arns" setting:"SES_TOPIC_ARNS" placeholder:"ARN" help:"Amazon SNS topics of the events of Amazon SES. Needs RECEIPT_SECRET."`
	SNSEndpoint  string        `name:"sns-endpoint" setting:"SNS_ENDPOINT" placeholder:"URL" help:"URL from which certificates and confirmations of Amazon SNS are read, such as that of schoolbell fake ses. Amazon's own if empty."`
	SendGridKey  string        `name:"sendgrid-webhook-key" setting:"SENDGRID_WEBHOOK_KEY" placeholder:"KEY" help:"Public key of SendGrid's signed event webhook, in Base64. Needs RECEIPT_SECRET."`
	BounceDomain string        `name:"bounce-domain" setting:"BOUNCE_DOMAIN" placeholder:"DOMAIN" help:"Domain of the envelope senders of email by SMTP, such as bounces.hill.example, where emails come back. Needs RECEIPT_SECRET. If empty, the envelope sender is EMAIL_FROM, and bounces are not seen."`
	BounceAddr   string        `name:"bounce-addr" setting:"BOUNCE_ADDR" placeholder:"HOST:PORT" help:"Address where serve takes emails to BOUNCE_DOMAIN by SMTP, such as 0.0.0.0:2525. Off if empty."`
	Hold         time.Duration `name:"uncertain-hold" setting:"UNCERTAIN_HOLD" default:"15m" type:"s" placeholder:"TIME" help:"How long a message that its provider may have accepted waits for a receipt before it is sent again, where the provider sends receipts. 0 does not wait. A plain number is seconds."`
}

var (
	urlSafe  = regexp.MustCompile(`^[A-Za-z0-9_-]{20,200}$`)
	topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)
)

func (r *Receipts) check(f *schoolbell.Faults) {
	between(f, "UNCERTAIN_HOLD", r.Hold, 0, 24*time.Hour)
	secret := r.Secret.Reveal()
	if err := schoolbell.CheckKeyStrength(secret); secret != "" && err != nil {
		f.Add("RECEIPT_SECRET", "%v; try: openssl rand -hex 24", err)
	} else if secret != "" && !urlSafe.MatchString(secret) {
		f.Add("RECEIPT_SECRET", "must be 20 to 200 letters, digits, - or _; try: openssl rand -hex 24")
	}
	secureURL(f, "SNS_ENDPOINT", r.SNSEndpoint)
	for _, arn := range r.SESTopics {
		if !topicARN.MatchString(arn) {
			f.Add("SES_TOPIC_ARNS", "must be ARNs such as arn:aws:sns:eu-west-1:123456789012:bell")
			break
		}
	}
	if _, err := r.SendGridPublicKey(); err != nil {
		f.Add("SENDGRID_WEBHOOK_KEY", "%v", err)
	}
	if _, err := r.Bounces(); err != nil {
		f.Add("BOUNCE_DOMAIN", "%v", err)
	}
	if r.BounceAddr != "" {
		listenAddr(f, "BOUNCE_ADDR", r.BounceAddr)
		if r.BounceDomain == "" {
			f.Add("BOUNCE_DOMAIN", "is required with BOUNCE_ADDR")
		}
	}
	if secret != "" {
		return
	}
	for name, set := range map[string]bool{"SES_TOPIC_ARNS": len(r.SESTopics) > 0, "SENDGRID_WEBHOOK_KEY": r.SendGridKey != "", "BOUNCE_DOMAIN": r.BounceDomain != ""} {
		if set {
			f.Add("RECEIPT_SECRET", "is required with %s", name)
		}
	}
}

// Bounces returns the envelope senders of email by SMTP, nil if that is EMAIL_FROM.
func (r *Receipts) Bounces() (*returnpath.Addresses, error) {
	if r.BounceDomain == "" {
		return nil, nil
	}
	domain, err := address.Domain(r.BounceDomain)
	if err != nil {
		return nil, err
	}
	return returnpath.New(domain, r.Secret.Reveal()), nil
}

// SendGridPublicKey returns the key of SENDGRID_WEBHOOK_KEY, nil if it is not set.
func (r *Receipts) SendGridPublicKey() (*ecdsa.PublicKey, error) {
	if r.SendGridKey == "" {
		return nil, nil
	}
	der, err := base64.StdEncoding.DecodeString(r.SendGridKey)
	if err != nil {
		return nil, errors.New("must be the verification key that SendGrid shows, in Base64")
	}
	key, err := x509.ParsePKIXPublicKey(der)
	public, ok := key.(*ecdsa.PublicKey)
	if err != nil || !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("must be a public key of ECDSA on the curve P-256")
	}
	return public, nil
}
