package inbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Messages shows single messages to their recipients, wherever they got them, and notes what
// they say about them. It is safe for concurrent use.
type Messages struct {
	store    Store
	receipts ledger.Receipts
	now      func() time.Time
}

// NewMessages returns the messages in a ledger. A nil clock means time.Now. language returns the language that the school writes
// in, BCP 47; nil means English.
func NewMessages(store Store, receipts ledger.Receipts, clock func() time.Time, language func() string) *Messages {
	if clock == nil {
		clock = time.Now
	}
	return &Messages{store: newPersonalStore(store, language), receipts: receipts, now: clock}
}

// Message returns the event as the user with this number gets it. CodeNotFound if there is no
// such event, or no such user any more.
func (m *Messages) Message(ctx context.Context, eventID string, user int64) (ledger.PersonalMessage, error) {
	return m.store.Message(ctx, eventID, user)
}

// Mark notes that the user read or acknowledged the event: in the inbox, and as the outcome of
// each message about it that was sent to them. What is noted already stays as it is. The errors
// are those of Message.
func (m *Messages) Mark(ctx context.Context, eventID string, user int64, done schoolbell.Outcome) error {
	msg, err := m.store.Message(ctx, eventID, user)
	if err != nil {
		return err
	}
	// Receipts first: the inbox item tells the next call that nothing is left to do.
	if news := receiptsOf(msg, user, done, m.now()); len(news) > 0 {
		if _, err := m.receipts.RecordReceipts(ctx, news); err != nil {
			return fmt.Errorf("record that a message was %s: %w", done, err)
		}
	}
	if !slices.ContainsFunc(msg.Deliveries, func(d schoolbell.Delivery) bool {
		return d.Channel == schoolbell.ChannelInApp && weaker(d.Outcome, done)
	}) {
		return nil
	}
	mark := m.store.MarkRead
	if done == schoolbell.OutcomeAcknowledged {
		mark = m.store.Acknowledge
	}
	if _, err = mark(ctx, msg.UserID, eventID); schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		err = nil // the item was removed because of its age
	}
	return err
}

// receiptsOf are the receipts for the messages that were sent to the user outside of the inbox.
func receiptsOf(msg ledger.PersonalMessage, user int64, done schoolbell.Outcome, at time.Time) (news []schoolbell.Receipt) {
	for _, d := range msg.Deliveries {
		if d.Channel == schoolbell.ChannelInApp || !weaker(d.Outcome, done) {
			continue
		}
		switch d.Status {
		case schoolbell.DeliverySent, schoolbell.DeliveryUncertain, schoolbell.DeliveryPending, schoolbell.DeliverySending:
			news = append(news, schoolbell.Receipt{
				Provider: schoolbell.ReceiptProviderPage,
				ID:       fmt.Sprintf("%s.%d.%d.%s.%s", msg.Event.ID, user, d.Wave, d.Channel, done),
				EventID:  msg.Event.ID, Wave: d.Wave, Channel: d.Channel, User: user, Kind: schoolbell.ReceiptKind(done), At: at,
			})
		}
	}
	return news
}

// weaker reports whether outcome a comes before b.
func weaker(a, b schoolbell.Outcome) bool {
	return slices.Index(schoolbell.Outcomes(), a) < slices.Index(schoolbell.Outcomes(), b)
}
