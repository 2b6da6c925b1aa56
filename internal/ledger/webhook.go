package ledger

import (
	"context"
	"time"

	"schoolbell"
)

// WebhookFact is something that happened and that a webhook may want to know. The ledger stores it in the transaction of what
// happened, as long as an enabled webhook wants it.
type WebhookFact struct {
	Seq     int64                  `json:"-"` // zero for facts that are not stored
	Type    schoolbell.WebhookType `json:"type"`
	At      time.Time              `json:"at"`
	EventID string                 `json:"event,omitempty"`
	Wave    int                    `json:"wave,omitempty"`
	Channel schoolbell.Channel     `json:"channel,omitempty"`
	User    int64                  `json:"user,omitempty"`   // number of the user
	Detail  string                 `json:"detail,omitempty"` // status of the event or delivery, kind of the receipt, state of the address, or category
	Page    bool                   `json:"-"`                // Wave, Channel and User are the place up to which failed deliveries were told
	Counts  *schoolbell.Progress   `json:"counts,omitempty"` // of the event; of facts in messages only
}

// WebhookMessage is a message to one webhook.
type WebhookMessage struct {
	ID        string // stays the same over all attempts
	WebhookID string
	Type      schoolbell.WebhookType
	CreatedAt time.Time
	Attempts  int // that were made
	Facts     []WebhookFact
}

// WebhookWork is what there is to do for webhooks.
type WebhookWork struct {
	Webhooks []schoolbell.Webhook // all, the oldest first
	Facts    []WebhookFact        // the oldest first
	Due      []WebhookMessage     // of enabled webhooks
	Users    map[int64]string     // ids of the users of Due, by their numbers
}

// WebhookPatch says what to change of a webhook. Nil fields stay.
type WebhookPatch struct {
	URL         *string
	Types       []schoolbell.WebhookType
	Description *string
	Enabled     *bool
}

// WebhookResult says what follows from an attempt.
type WebhookResult struct {
	Ended   bool      // there are no further attempts of the message
	NextAt  time.Time // of the next attempt, unless it has ended
	Disable string    // disables the webhook, for this reason; empty to leave it
}

// Webhooks are the webhooks with their messages. Every method is one transaction.
//
// A message is stored once for a fact, and deleted when it has ended. It may be sent twice, under the same id: a process may
// die between the reply of a receiver and RecordWebhookAttempt.
type Webhooks interface {
	// Webhooks returns all webhooks, the oldest first.
	Webhooks(ctx context.Context) ([]schoolbell.Webhook, error)

	// Webhook returns a webhook; CodeNotFound if there is none.
	Webhook(ctx context.Context, id string) (schoolbell.Webhook, error)

	// AddWebhook stores a new webhook; CodeConflict if there are schoolbell.MaxWebhooks.
	AddWebhook(ctx context.Context, w schoolbell.Webhook) error

	// ChangeWebhook changes a webhook and returns it; CodeNotFound if there is none. Enabling one ends its failing.
	ChangeWebhook(ctx context.Context, id string, p WebhookPatch) (schoolbell.Webhook, error)

	// RemoveWebhook deletes a webhook; its messages are not sent any more. CodeNotFound if there is none.
	RemoveWebhook(ctx context.Context, id string) error

	// RotateWebhook gives a webhook another secret and returns it. The current one becomes the previous one, until a time.
	RotateWebhook(ctx context.Context, id string, secret schoolbell.WebhookSecret, previousUntil time.Time) (schoolbell.Webhook, error)

	// WebhookAttempts returns up to limit attempts of a webhook, newest first, those before one (0 for the newest).
	// CodeNotFound if there is no such webhook.
	WebhookAttempts(ctx context.Context, id string, before int64, limit int) ([]schoolbell.WebhookAttempt, error)

	// WaitingWebhookMessages counts the messages of a webhook that have not ended. An unknown one has none.
	WaitingWebhookMessages(ctx context.Context, id string) (int, error)

	// TakeWebhookTurn makes holder the process that sends messages, for that time, and reports whether it is. It is not while
	// another process has the turn, or if there is nothing that could have to be sent. The holder extends its turn by taking it again.
	TakeWebhookTurn(ctx context.Context, holder string, length time.Duration) (taken bool, err error)

	// EndWebhookTurn ends the turn of holder, if it still has it.
	EndWebhookTurn(ctx context.Context, holder string) error

	// WebhookWork returns up to facts facts, and up to due messages of each enabled webhook whose next attempt is due by the
	// database's clock, the most overdue first.
	WebhookWork(ctx context.Context, facts, due int) (WebhookWork, error)

	// FailedDeliveries returns up to limit failed deliveries of the event of a fact as facts of type WebhookDeliveryFailed, those
	// after the place of the fact if it is a page. There are none of an event that is not there any more.
	FailedDeliveries(ctx context.Context, f WebhookFact, limit int) ([]WebhookFact, error)

	// PutWebhookMessages stores messages and deletes the facts that they tell. next, if it is not nil, is one of them that stays, at
	// another place. It stores nothing if one of the facts is not there any more: another process has told it.
	PutWebhookMessages(ctx context.Context, messages []WebhookMessage, told []WebhookFact, next *WebhookFact) error

	// RecordWebhookAttempt stores an attempt and what follows from it. Disabling a webhook that is disabled changes nothing.
	RecordWebhookAttempt(ctx context.Context, a schoolbell.WebhookAttempt, r WebhookResult) error
}
