package webhook

import (
	"context"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// teller turns facts into messages for the webhooks that want them.
type teller struct {
	*Service
	webhooks []schoolbell.Webhook
}

// tell stores the messages of facts, which are in order. Facts that nobody wants any more are dropped.
func (t *teller) tell(ctx context.Context, facts []ledger.WebhookFact) error {
	grouped := map[schoolbell.WebhookType][]ledger.WebhookFact{}
	for _, f := range facts {
		switch {
		case f.Type == schoolbell.WebhookEventCompleted, f.Type == schoolbell.WebhookEventCancelled:
			if err := t.tellEvent(ctx, f); err != nil {
				return err
			}
		case f.Type == schoolbell.WebhookDeliveryFailed && f.Page: // else it is one delivery that failed after the end
			if err := t.tellFailed(ctx, f); err != nil {
				return err
			}
		default:
			grouped[f.Type] = append(grouped[f.Type], f)
			if len(grouped[f.Type]) == perMessage {
				if err := t.put(ctx, f.Type, grouped[f.Type], grouped[f.Type], nil); err != nil {
					return err
				}
				delete(grouped, f.Type)
			}
		}
	}
	for typ, rest := range grouped {
		if err := t.put(ctx, typ, rest, rest, nil); err != nil {
			return err
		}
	}
	return nil
}

// tellEvent tells the end of an event. Its failed deliveries are told next, page by page.
func (t *teller) tellEvent(ctx context.Context, f ledger.WebhookFact) error {
	if !t.wanted(f.Type) && !t.wanted(schoolbell.WebhookDeliveryFailed) {
		return t.put(ctx, f.Type, nil, []ledger.WebhookFact{f}, nil)
	}
	progress, err := t.cfg.Progress(ctx, f.EventID)
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound { // it was removed since
		return t.put(ctx, f.Type, nil, []ledger.WebhookFact{f}, nil)
	}
	if err != nil {
		return err
	}
	var next *ledger.WebhookFact
	if t.wanted(schoolbell.WebhookDeliveryFailed) && failed(progress) {
		next = &ledger.WebhookFact{Seq: f.Seq, Type: schoolbell.WebhookDeliveryFailed}
	}
	ended := f
	ended.Counts = &progress
	return t.put(ctx, f.Type, []ledger.WebhookFact{ended}, []ledger.WebhookFact{f}, next)
}

// failed reports whether deliveries of an event have failed.
func failed(p schoolbell.Progress) bool {
	for _, c := range p.Channels {
		if c.Failed > 0 {
			return true
		}
	}
	for _, w := range p.Waves {
		for _, c := range w.Channels {
			if c.Failed > 0 {
				return true
			}
		}
	}
	return false
}

// pagesAtOnce is how many pages of failed deliveries of an event are told before messages are sent and other facts are told.
const pagesAtOnce = 20

// tellFailed tells failed deliveries of an event after the place of f. Each page is a transaction, so a process that dies
// leaves the place to the next one.
func (t *teller) tellFailed(ctx context.Context, f ledger.WebhookFact) error {
	for range pagesAtOnce {
		page, err := t.cfg.Store.FailedDeliveries(ctx, f, perMessage)
		if err != nil {
			return err
		}
		if len(page) < perMessage {
			return t.put(ctx, f.Type, page, []ledger.WebhookFact{f}, nil)
		}
		last := page[len(page)-1]
		next := ledger.WebhookFact{Seq: f.Seq, Type: f.Type, EventID: f.EventID, Wave: last.Wave, Channel: last.Channel, User: last.User, Page: true}
		if err := t.put(ctx, f.Type, page, []ledger.WebhookFact{f}, &next); err != nil {
			return err
		}
		f = next
	}
	return nil
}

// put stores a message with some facts for each webhook that wants it, and deletes the stored facts that it tells, or moves one to next.
func (t *teller) put(ctx context.Context, typ schoolbell.WebhookType, facts, told []ledger.WebhookFact, next *ledger.WebhookFact) error {
	var messages []ledger.WebhookMessage
	for _, w := range t.webhooks {
		if len(facts) > 0 && w.Wants(typ) {
			messages = append(messages, ledger.WebhookMessage{ID: newID(), WebhookID: w.ID, Type: typ, CreatedAt: schoolbell.Time(t.cfg.Clock()), Facts: facts})
		}
	}
	return t.cfg.Store.PutWebhookMessages(ctx, messages, told, next)
}

func (t *teller) wanted(typ schoolbell.WebhookType) bool {
	for _, w := range t.webhooks {
		if w.Wants(typ) {
			return true
		}
	}
	return false
}
