package schoolbell

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WebhookType is a kind of message that webhooks get.
type WebhookType string

// The types of webhook messages. All but WebhookTest can be subscribed to.
const (
	WebhookEventCompleted    WebhookType = "event.completed"    // every delivery of an event is terminal
	WebhookEventCancelled    WebhookType = "event.cancelled"    // an event was cancelled
	WebhookDeliveryFailed    WebhookType = "delivery.failed"    // deliveries failed for good; told when their event has ended
	WebhookDeliveryBounced   WebhookType = "delivery.bounced"   // a provider says that a message came back or was reported as unwanted
	WebhookUserOptedOut      WebhookType = "user.opted_out"     // a user switched a category off on a channel
	WebhookAddressSuppressed WebhookType = "address.suppressed" // an address bounced, its owner complained or asked for no more messages, or staff stopped it
	WebhookTest              WebhookType = "webhook.test"       // sent on request only
)

// WebhookTypes lists every type that a webhook can subscribe to.
func WebhookTypes() []WebhookType {
	return []WebhookType{WebhookEventCompleted, WebhookEventCancelled, WebhookDeliveryFailed, WebhookDeliveryBounced,
		WebhookUserOptedOut, WebhookAddressSuppressed}
}

// Limits on webhooks.
const (
	MaxWebhooks           = 20
	MaxWebhookURL         = 2_000 // bytes
	MaxWebhookDescription = 200   // characters
)

// Why a webhook is disabled, if nobody disabled it.
const (
	WebhookGone    = "gone"    // its receiver replied 410
	WebhookFailing = "failing" // every attempt failed for days
)

// Webhook is a URL to which messages about what happens are sent.
type Webhook struct {
	ID          string
	URL         string
	Types       []WebhookType
	Description string
	Enabled     bool

	Secret        WebhookSecret
	Previous      WebhookSecret // signs too until PreviousUntil; empty for none
	PreviousUntil time.Time

	CreatedAt      time.Time
	FailingSince   time.Time // of the first failed attempt after the last success; zero if the last attempt succeeded
	DisabledAt     time.Time // zero while it is enabled
	DisabledReason string    // WebhookGone or WebhookFailing; empty if somebody disabled it
}

// Normalize drops what is said twice.
func (w *Webhook) Normalize() {
	w.URL, w.Description = strings.TrimSpace(w.URL), strings.TrimSpace(w.Description)
	w.Types = unique(w.Types)
}

// Validate reports everything that is wrong with what a caller may set, as [Faults]. Whether the URL may be dialled, it does
// not know.
func (w *Webhook) Validate() error {
	var f Faults
	if !validWebhookURL(w.URL) {
		f.Add("url", "must be a URL such as https://app.example/hooks without a user name, at most %d bytes", MaxWebhookURL)
	}
	if len(w.Types) == 0 {
		f.Add("types", "must name at least one type of message")
	}
	for i, t := range w.Types {
		if !slices.Contains(WebhookTypes(), t) {
			f.Add("types["+strconv.Itoa(i)+"]", "must be one of %s", join(WebhookTypes()))
		}
	}
	checkLine(&f, "description", w.Description, MaxWebhookDescription, false)
	return f.Err()
}

func validWebhookURL(text string) bool {
	if len(text) > MaxWebhookURL || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && u.Hostname() != "" && u.Fragment == ""
}

// Wants reports whether the webhook gets messages of a type.
func (w *Webhook) Wants(t WebhookType) bool { return w.Enabled && slices.Contains(w.Types, t) }

// Secrets returns the secrets that sign at a time, the current one first.
func (w *Webhook) Secrets(now time.Time) []WebhookSecret {
	secrets := []WebhookSecret{w.Secret}
	if len(w.Previous) > 0 && now.Before(w.PreviousUntil) {
		secrets = append(secrets, w.Previous)
	}
	return secrets
}

// WebhookSecret is the key with which messages to a webhook are signed. It prints and logs as "(hidden)".
type WebhookSecret []byte

const (
	webhookSecretPrefix = "whsec_"
	webhookSecretLength = 32 // bytes; Standard Webhooks allows 24 to 64
)

// NewWebhookSecret returns a random secret.
func NewWebhookSecret() WebhookSecret {
	s := make(WebhookSecret, webhookSecretLength)
	_, _ = rand.Read(s) // never fails
	return s
}

// ParseWebhookSecret reads what [WebhookSecret.Reveal] wrote.
func ParseWebhookSecret(text string) (WebhookSecret, error) {
	encoded, ok := strings.CutPrefix(text, webhookSecretPrefix)
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		return nil, errors.New("is not a secret such as whsec_…")
	}
	return raw, nil
}

// Reveal writes the secret as receivers need it: whsec_ and base64.
func (s WebhookSecret) Reveal() string {
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(s)
}

// hiddenSecret stands wherever a secret would be printed.
const hiddenSecret = "(hidden)"

// String hides the secret.
func (WebhookSecret) String() string { return hiddenSecret }

// GoString hides the secret from %#v.
func (WebhookSecret) GoString() string { return hiddenSecret }

// LogValue hides the secret from logs.
func (WebhookSecret) LogValue() slog.Value { return slog.StringValue(hiddenSecret) }

// MarshalText hides the secret from JSON and its like.
func (WebhookSecret) MarshalText() ([]byte, error) { return []byte(hiddenSecret), nil }

// Sign returns the signature of a message as Standard Webhooks 1.0.0 defines it: v1, and the HMAC-SHA256 of id, time and
// body in base64. at is the time of the attempt, in whole seconds.
func (s WebhookSecret) Sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// WebhookAttempt is one attempt to send a message to a webhook.
type WebhookAttempt struct {
	Seq       int64 // orders the attempts of a ledger
	WebhookID string
	MessageID string
	Type      WebhookType
	Number    int // of the attempts of its message, from 1
	At        time.Time
	Duration  time.Duration
	Status    int    // of the reply; 0 if there was none
	Error     string // why it failed, without addresses; empty if it succeeded
}

// OK reports whether the receiver has taken the message.
func (a WebhookAttempt) OK() bool { return a.Error == "" }
