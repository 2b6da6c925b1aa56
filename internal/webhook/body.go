package webhook

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// perMessage is the most deliveries, users or addresses that one message tells of. With the longest ids it is below the
// 20 KB that Standard Webhooks recommends.
const perMessage = 50

// bodyOf returns the JSON of a message. users has the ids of its users by their numbers. The same message has the same body at
// each attempt, unless a user was erased in between.
func bodyOf(m ledger.WebhookMessage, users map[int64]string) ([]byte, error) {
	at := latest(m.Facts)
	if at.IsZero() {
		at = m.CreatedAt
	}
	body, err := json.Marshal(wire.WebhookMessage{Type: m.Type, Timestamp: wire.At(at), Data: dataOf(m, users)})
	if err != nil {
		return nil, fmt.Errorf("encode a webhook message: %w", err)
	}
	return body, nil
}

// dataOf returns what a message tells: ids, statuses and times.
func dataOf(m ledger.WebhookMessage, users map[int64]string) (data wire.WebhookData) {
	for _, f := range m.Facts {
		switch m.Type {
		case schoolbell.WebhookEventCompleted, schoolbell.WebhookEventCancelled:
			data.EventID, data.Status, data.At, data.Progress = f.EventID, schoolbell.EventStatus(f.Detail), wire.At(f.At), f.Counts
		case schoolbell.WebhookDeliveryFailed, schoolbell.WebhookDeliveryBounced:
			data.Deliveries = append(data.Deliveries, wire.WebhookDelivery{EventID: f.EventID, Wave: f.Wave, UserID: users[f.User],
				Channel: f.Channel, Status: f.Detail, At: wire.At(f.At)})
		case schoolbell.WebhookUserOptedOut:
			data.Preferences = append(data.Preferences, wire.WebhookPreference{UserID: users[f.User], Category: schoolbell.Category(f.Detail),
				Channel: f.Channel, At: wire.At(f.At)})
		case schoolbell.WebhookAddressSuppressed:
			data.Addresses = append(data.Addresses, wire.WebhookAddress{UserID: users[f.User], Channel: f.Channel,
				State: schoolbell.AddressState(f.Detail), At: wire.At(f.At)})
		}
	}
	return data
}

// latest is the time of the last of some facts.
func latest(facts []ledger.WebhookFact) (at time.Time) {
	for _, f := range facts {
		if f.At.After(at) {
			at = f.At
		}
	}
	return at
}

func base32Of(raw []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}
