package wire

import "schoolbell"

// NewWebhook is a webhook to be created.
type NewWebhook struct {
	URL         string                   `json:"url" doc:"https URL that takes the messages. The reply must come within 10 seconds." example:"https://app.example/hooks"`
	Types       []schoolbell.WebhookType `json:"types" maxItems:"50" doc:"What it is told."`
	Description string                   `json:"description,omitempty" doc:"For the staff, one line."`
}

// WebhookChange says what to change of a webhook. What is left out stays.
type WebhookChange struct {
	URL         *string                  `json:"url,omitempty"`
	Types       []schoolbell.WebhookType `json:"types,omitempty" maxItems:"50"`
	Description *string                  `json:"description,omitempty"`
	Enabled     *bool                    `json:"enabled,omitempty" doc:"true also ends its failing. Messages that are not sent yet go on."`
}

// Webhook is a URL to which messages are sent.
type Webhook struct {
	ID             string                   `json:"id"`
	URL            string                   `json:"url"`
	Types          []schoolbell.WebhookType `json:"types"`
	Description    string                   `json:"description,omitempty"`
	Enabled        bool                     `json:"enabled"`
	CreatedAt      Time                     `json:"created_at"`
	FailingSince   Time                     `json:"failing_since,omitzero" doc:"The first failed attempt after the last one that succeeded."`
	DisabledAt     Time                     `json:"disabled_at,omitzero"`
	DisabledReason string                   `json:"disabled_reason,omitempty" doc:"gone: it replied 410. failing: every attempt failed for five days. Not there if somebody disabled it."`
	PreviousUntil  Time                     `json:"previous_secret_until,omitzero" doc:"Until when messages have a signature by the secret before the last rotation too."`
	Secret         string                   `json:"secret,omitempty" doc:"Of a new webhook, or after a rotation: it is shown only this once."`
}

// WebhookOf shows a webhook without its secret.
func WebhookOf(w schoolbell.Webhook) Webhook {
	return Webhook{ID: w.ID, URL: w.URL, Types: w.Types, Description: w.Description, Enabled: w.Enabled, CreatedAt: At(w.CreatedAt),
		FailingSince: At(w.FailingSince), DisabledAt: At(w.DisabledAt), DisabledReason: w.DisabledReason, PreviousUntil: At(w.PreviousUntil)}
}

// WebhookList has all webhooks, the oldest first.
type WebhookList struct {
	Webhooks []Webhook `json:"webhooks"`
}

// WebhookAttempt is one attempt to send a message.
type WebhookAttempt struct {
	MessageID  string                 `json:"message_id" doc:"The header webhook-id. It is the same for all attempts of a message."`
	Type       schoolbell.WebhookType `json:"type"`
	Number     int                    `json:"number" doc:"Of the attempts of the message, from 1."`
	At         Time                   `json:"at"`
	DurationMS int64                  `json:"duration_ms"`
	Status     int                    `json:"status,omitempty" doc:"HTTP status of the reply; not there if none came."`
	OK         bool                   `json:"ok" doc:"Whether the receiver has taken the message."`
	Error      string                 `json:"error,omitempty"`
}

// WebhookAttemptOf shows an attempt.
func WebhookAttemptOf(a schoolbell.WebhookAttempt) WebhookAttempt {
	return WebhookAttempt{MessageID: a.MessageID, Type: a.Type, Number: a.Number, At: At(a.At), DurationMS: a.Duration.Milliseconds(),
		Status: a.Status, OK: a.OK(), Error: a.Error}
}

// WebhookAttemptPage is a page of attempts, newest first.
type WebhookAttemptPage struct {
	Attempts []WebhookAttempt `json:"attempts"`
	Next     string           `json:"next,omitempty" doc:"Cursor of the next page. The last page has none."`
}

// WebhookMessage is the body of a message to a webhook.
type WebhookMessage struct {
	Type      schoolbell.WebhookType `json:"type"`
	Timestamp Time                   `json:"timestamp"` // when it happened; of several, the last
	Data      WebhookData            `json:"data"`
}

// WebhookData is what a message tells; its type decides which fields it has. It has ids, statuses and times, and nothing else of people.
type WebhookData struct {
	EventID     string                 `json:"event_id,omitempty"` // of event.completed and event.cancelled, as the following
	Status      schoolbell.EventStatus `json:"status,omitempty"`
	At          Time                   `json:"at,omitzero"`
	Progress    *schoolbell.Progress   `json:"progress,omitempty"`
	Deliveries  []WebhookDelivery      `json:"deliveries,omitempty"`  // of delivery.failed and delivery.bounced, up to 50
	Preferences []WebhookPreference    `json:"preferences,omitempty"` // of user.opted_out, up to 50
	Addresses   []WebhookAddress       `json:"addresses,omitempty"`   // of address.suppressed, up to 50
}

// WebhookDelivery is a delivery that failed or bounced.
type WebhookDelivery struct {
	EventID string             `json:"event_id"`
	Wave    int                `json:"wave"`
	UserID  string             `json:"user_id"`
	Channel schoolbell.Channel `json:"channel"`
	Status  string             `json:"status"` // failed; or the kind of the receipt: bounced, soft_bounced, failed, refused or complained
	At      Time               `json:"at"`
}

// WebhookPreference is a category that a user switched off on a channel.
type WebhookPreference struct {
	UserID   string              `json:"user_id"`
	Category schoolbell.Category `json:"category"`
	Channel  schoolbell.Channel  `json:"channel"`
	At       Time                `json:"at"`
}

// WebhookAddress says that nothing more is sent to an address of a user. It does not say which.
type WebhookAddress struct {
	UserID  string                  `json:"user_id"`
	Channel schoolbell.Channel      `json:"channel"`
	State   schoolbell.AddressState `json:"state"`
	At      Time                    `json:"at"`
}
