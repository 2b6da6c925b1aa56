package receipt

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"schoolbell"
)

// The headers of a signed request of SendGrid.
const (
	sendGridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendGridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// replayWindow is how old or new a signed request may be. Repetitions of a request get a new timestamp.
const replayWindow = 10 * time.Minute

// sendGrid takes the events of SendGrid's signed event webhook.
type sendGrid struct {
	key *ecdsa.PublicKey
	now func() time.Time
}

// receipts is the decoder of the source.
func (s *sendGrid) receipts(_ context.Context, r Request) ([]schoolbell.Receipt, error) {
	if err := s.verify(r); err != nil {
		return nil, err
	}
	return decodeSendGrid(r.Body, s.now())
}

// verify checks the signature over the timestamp and the body as it came: it ends in CRLF.
func (s *sendGrid) verify(r Request) error {
	stamp := r.Header.Get(sendGridTimestamp)
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(sendGridSignature))
	if err != nil || len(signature) == 0 {
		return forged("the request has no signature of SendGrid")
	}
	digest := sha256.Sum256(append([]byte(stamp), r.Body...))
	if !ecdsa.VerifyASN1(s.key, digest[:], signature) {
		return forged("the signature of SendGrid is wrong")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return forged("the timestamp of SendGrid is not a number")
	}
	if age := s.now().Sub(time.Unix(seconds, 0)); age > replayWindow || age < -replayWindow {
		return forged("the timestamp of SendGrid is more than %d minutes from now: the request is old, or a clock is wrong", int(replayWindow.Minutes()))
	}
	return nil
}

// sendGridEvent is one event of a request.
type sendGridEvent struct {
	Event     string      `json:"event"`
	ID        string      `json:"sg_event_id"`
	Email     string      `json:"email"`
	Timestamp json.Number `json:"timestamp"`
	Type      string      `json:"type"`
	Reason    string      `json:"reason"`
	Status    string      `json:"status"`
	SMTPID    string      `json:"smtp-id"`
	Message   string      `json:"schoolbell_message"` // the custom argument in which the email carried the id of its message
}

// decodeSendGrid returns the receipts in the events of a request. An event that cannot be decoded is left out: as an
// error it would bring all the others again and again for a day.
func decodeSendGrid(body []byte, now time.Time) ([]schoolbell.Receipt, error) {
	var events []json.RawMessage
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, unreadable("the events of SendGrid")
	}
	var receipts []schoolbell.Receipt
	for _, text := range events {
		var e sendGridEvent
		if err := json.Unmarshal(text, &e); err != nil {
			continue
		}
		if r, ok := e.receipt(now); ok {
			receipts = append(receipts, r)
		}
	}
	return receipts, nil
}

// receipt returns what an event tells, and false if that is nothing about one of our messages.
func (e *sendGridEvent) receipt(now time.Time) (r schoolbell.Receipt, ok bool) {
	key, ok := firstKey(e.Message, localPart(e.SMTPID))
	kind := e.kind()
	if !ok || kind == "" || e.ID == "" {
		return r, false
	}
	r = ofMessage(schoolbell.ChannelEmail, key)
	r.Provider, r.ID, r.Kind, r.Address = string(SendGrid), e.ID, kind, bare(e.Email)
	r.At = now
	if seconds, err := e.Timestamp.Int64(); err == nil {
		r.At = plausible(time.Unix(seconds, 0), now)
	}
	if kind.Outcome() != schoolbell.OutcomeDelivered {
		r.Reason = reason(r.Address, e.Status, e.Reason)
	}
	return r, true
}

// kind returns what an event is, empty for those that tell nothing, such as opens and clicks.
func (e *sendGridEvent) kind() schoolbell.ReceiptKind {
	switch e.Event {
	case "processed", "deferred":
		return schoolbell.ReceiptAccepted
	case "delivered":
		return schoolbell.ReceiptDelivered
	case "bounce":
		switch {
		case e.Type == "blocked":
			return schoolbell.ReceiptFailed
		case mailboxFull(e.Status):
			return schoolbell.ReceiptSoftBounced
		}
		return schoolbell.ReceiptBounced
	case "dropped":
		return e.dropped()
	case "spamreport":
		return schoolbell.ReceiptComplained
	case "unsubscribe", "group_unsubscribe":
		return schoolbell.ReceiptStopped
	case "group_resubscribe":
		return schoolbell.ReceiptStarted
	}
	return ""
}

// dropped returns why SendGrid did not send a message; the type may hold it as well as the reason.
func (e *sendGridEvent) dropped() schoolbell.ReceiptKind {
	why := strings.ToLower(e.Reason + " " + e.Type)
	switch {
	case strings.Contains(why, "unsubscribed"):
		return schoolbell.ReceiptRefused
	case strings.Contains(why, "spam reporting"):
		return schoolbell.ReceiptComplained
	case strings.Contains(why, "invalid"), strings.Contains(why, "bounced"):
		return schoolbell.ReceiptBounced
	}
	return schoolbell.ReceiptFailed
}

// mailboxFull reports whether an enhanced status code says that the address works but its mailbox is full.
func mailboxFull(status string) bool {
	return strings.HasPrefix(status, "4.2.2") || strings.HasPrefix(status, "5.2.2")
}
