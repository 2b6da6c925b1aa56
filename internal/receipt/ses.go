package receipt

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"schoolbell"
)

// sesTag is the name of the tag in which an email to SES carries the id of its message, as [schoolbell.MessageKey.Tag].
const sesTag = "schoolbell_message"

// sesValidated is the only message of SES that is not JSON.
const sesValidated = "Successfully validated SNS topic for Amazon SES event publishing."

// ses takes the events of Amazon SES, which come by SNS.
type ses struct{ sns *sns }

func newSES(cfg Config) *ses {
	return &ses{&sns{topics: cfg.SESTopics, get: cfg.Get, now: cfg.Clock, certs: map[string]*x509.Certificate{}}}
}

// receipts is the decoder of the source. It confirms subscriptions of the topics that are listed.
func (s *ses) receipts(ctx context.Context, r Request) ([]schoolbell.Receipt, error) {
	m, err := s.sns.verify(ctx, r.Body)
	switch {
	case err != nil:
		return nil, err
	case m.Type == snsConfirmation:
		return nil, s.sns.confirm(ctx, m)
	case m.Type == snsUnsubscribed || strings.TrimSpace(m.Message) == sesValidated:
		return nil, nil
	}
	return decodeSES([]byte(m.Message), s.sns.now())
}

// sesEvent is an event that SES publishes. Without a configuration set it has notificationType.
type sesEvent struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		MessageID string              `json:"messageId"`
		Timestamp string              `json:"timestamp"`
		Tags      map[string][]string `json:"tags"`
		Headers   []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
	} `json:"mail"`
	Delivery struct {
		Timestamp  string   `json:"timestamp"`
		Recipients []string `json:"recipients"`
	} `json:"delivery"`
	Bounce    sesBounce    `json:"bounce"`
	Complaint sesComplaint `json:"complaint"`
	Reject    struct {
		Reason string `json:"reason"`
	} `json:"reject"`
	Failure struct {
		ErrorMessage string `json:"errorMessage"`
	} `json:"failure"`
}

type sesBounce struct {
	Type       string         `json:"bounceType"`
	SubType    string         `json:"bounceSubType"`
	Recipients []sesRecipient `json:"bouncedRecipients"`
	Timestamp  string         `json:"timestamp"`
	FeedbackID string         `json:"feedbackId"`
}

type sesComplaint struct {
	Recipients   []sesRecipient `json:"complainedRecipients"`
	FeedbackType string         `json:"complaintFeedbackType"`
	Timestamp    string         `json:"timestamp"`
	FeedbackID   string         `json:"feedbackId"`
}

type sesRecipient struct {
	Address    string `json:"emailAddress"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

// decodeSES returns the receipt in an event of SES: none if it is not about one of our messages or tells nothing
// new about it. now stands for a time that is missing.
func decodeSES(text []byte, now time.Time) ([]schoolbell.Receipt, error) {
	var ev sesEvent
	if err := json.Unmarshal(text, &ev); err != nil {
		return nil, unreadable("the event of SES")
	}
	key, ok := ev.key()
	if !ok {
		return nil, nil
	}
	r := ofMessage(schoolbell.ChannelEmail, key)
	r.Provider = string(SES)
	at, feedback := "", ""
	switch cmp.Or(ev.EventType, ev.NotificationType) {
	case "Send", "DeliveryDelay":
		r.Kind = schoolbell.ReceiptAccepted
	case "Delivery":
		r.Kind, at = schoolbell.ReceiptDelivered, ev.Delivery.Timestamp
		if len(ev.Delivery.Recipients) > 0 {
			r.Address = bare(ev.Delivery.Recipients[0])
		}
	case "Bounce":
		r.Kind, at, feedback = ev.Bounce.kind(), ev.Bounce.Timestamp, ev.Bounce.FeedbackID
		to := first(ev.Bounce.Recipients)
		r.Address, r.Reason = to.Address, reason(to.Address, ev.Bounce.Type, ev.Bounce.SubType, to.Diagnostic)
	case "Complaint":
		if ev.Complaint.FeedbackType == "not-spam" { // the recipient says that it is wanted
			return nil, nil
		}
		r.Kind, at, feedback = schoolbell.ReceiptComplained, ev.Complaint.Timestamp, ev.Complaint.FeedbackID
		r.Address = first(ev.Complaint.Recipients).Address
		r.Reason = reason(r.Address, ev.Complaint.FeedbackType)
	case "Reject":
		r.Kind, r.Reason = schoolbell.ReceiptFailed, reason("", "rejected by SES", ev.Reject.Reason)
	case "Rendering Failure":
		r.Kind, r.Reason = schoolbell.ReceiptFailed, reason("", "not rendered by SES", ev.Failure.ErrorMessage)
	default: // opens, clicks, and what may be added
		return nil, nil
	}
	r.At = timeOf(cmp.Or(at, ev.Mail.Timestamp), now)
	r.ID = fmt.Sprintf("%s/%s/%s", ev.Mail.MessageID, r.Kind, feedback) // the same by a notification and by an event publication
	return []schoolbell.Receipt{r}, nil
}

// key returns the id of our message: its tag, else what its original Message-ID header says.
func (ev *sesEvent) key() (schoolbell.MessageKey, bool) {
	var ids []string
	if tags := ev.Mail.Tags[sesTag]; len(tags) > 0 {
		ids = append(ids, tags[0])
	}
	for _, h := range ev.Mail.Headers {
		if strings.EqualFold(h.Name, "Message-ID") {
			ids = append(ids, localPart(h.Value))
		}
	}
	return firstKey(ids...)
}

// kind decides by the type: SES adds subtypes.
func (b *sesBounce) kind() schoolbell.ReceiptKind {
	switch {
	case b.Type == "Permanent":
		return schoolbell.ReceiptBounced
	case b.SubType == "MessageTooLarge" || b.SubType == "ContentRejected" || b.SubType == "AttachmentRejected":
		return schoolbell.ReceiptFailed
	}
	return schoolbell.ReceiptSoftBounced
}

func first(recipients []sesRecipient) sesRecipient {
	if len(recipients) == 0 {
		return sesRecipient{}
	}
	r := recipients[0]
	r.Address = bare(r.Address)
	return r
}
