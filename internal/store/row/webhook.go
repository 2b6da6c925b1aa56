package row

import (
	"encoding/json"
	"fmt"
	"strconv"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// WebhookTurn is the name of the turn to send messages to webhooks.
const WebhookTurn = "webhooks"

// EncodeFacts returns the facts of a webhook message as both engines store them.
func EncodeFacts(facts []ledger.WebhookFact) (string, error) {
	text, err := json.Marshal(facts)
	if err != nil {
		return "", fmt.Errorf("encode webhook facts: %w", err)
	}
	return string(text), nil
}

// DecodeFacts is the inverse of EncodeFacts.
func DecodeFacts(text string) (facts []ledger.WebhookFact, err error) {
	if err := json.Unmarshal([]byte(text), &facts); err != nil {
		return nil, fmt.Errorf("decode webhook facts: %w", err)
	}
	return facts, nil
}

// FactDetail returns the detail of a stored fact as it is told. The state of an address is stored as its number.
func FactDetail(t schoolbell.WebhookType, detail string) string {
	if t != schoolbell.WebhookAddressSuppressed {
		return detail
	}
	n, err := strconv.Atoi(detail)
	if err != nil || n < 0 || n >= len(states) {
		return ""
	}
	return string(State(n))
}

// PatchWebhook returns a webhook with what a patch changes.
func PatchWebhook(w schoolbell.Webhook, p ledger.WebhookPatch) schoolbell.Webhook {
	if p.URL != nil {
		w.URL = *p.URL
	}
	if p.Types != nil {
		w.Types = p.Types
	}
	if p.Description != nil {
		w.Description = *p.Description
	}
	if p.Enabled != nil {
		w.Enabled = *p.Enabled
	}
	return w
}

// FactsTold is the error of facts that another process has told.
func FactsTold() error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict, Message: "another process has told this"}
}

// TooManyWebhooks is the error of a webhook over the limit.
func TooManyWebhooks() error {
	return &schoolbell.Error{Code: schoolbell.CodeConflict,
		Message: fmt.Sprintf("there are %d webhooks already; remove one", schoolbell.MaxWebhooks)}
}

// UsersOf returns the numbers of the users in messages, each once.
func UsersOf(messages []ledger.WebhookMessage) (users []int64) {
	seen := map[int64]bool{0: true}
	for _, m := range messages {
		for _, f := range m.Facts {
			if !seen[f.User] {
				seen[f.User] = true
				users = append(users, f.User)
			}
		}
	}
	return users
}
