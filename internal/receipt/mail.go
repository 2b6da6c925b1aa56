package receipt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	netmail "net/mail"
	"net/url"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/email/returnpath"
)

// byMail takes emails about emails: delivery status notifications (RFC 3464), by which mail servers say that an email came
// back, and feedback reports (RFC 5965), by which they say that a recipient reported it as unwanted. Anybody can write such
// an email, so it must have the envelope sender of the email that it is about, whose token nobody can guess.
type byMail struct {
	addresses *returnpath.Addresses
	now       func() time.Time
}

// mailParam is the query parameter with the address that the email went to.
const mailParam = "to"

// receipts is the decoder of the source.
func (m *byMail) receipts(_ context.Context, r Request) ([]schoolbell.Receipt, error) {
	report, err := readReport(r.Body)
	if err != nil {
		return nil, err
	}
	key, ok := m.key(r, report)
	if !ok {
		return nil, forged("the email was not sent to an address of BOUNCE_DOMAIN with a valid token")
	}
	kind := report.kind()
	if kind == "" { // such as an automatic reply
		return nil, nil
	}
	receipt := ofMessage(schoolbell.ChannelEmail, key)
	receipt.Provider, receipt.Kind, receipt.Address = string(Mail), kind, report.address()
	receipt.ID = key.String() + "/" + string(kind) + "/" + report.digest
	receipt.At = m.now()
	if at, err := netmail.ParseDate(report.date); err == nil {
		receipt.At = plausible(at, receipt.At)
	}
	if kind.Failed() || kind == schoolbell.ReceiptStopped {
		receipt.Reason = reason(receipt.Address, report.words()...)
	}
	return []schoolbell.Receipt{receipt}, nil
}

// key returns the message that an email is about: that of the address to which it went, else that of an address in it.
func (m *byMail) key(r Request, report *report) (schoolbell.MessageKey, bool) {
	addresses := []string{r.Recipient}
	if u, err := url.Parse(r.URI); err == nil {
		addresses = append(addresses, strings.ReplaceAll(u.Query().Get(mailParam), " ", "+")) // a + that was not escaped
	}
	for _, a := range append(addresses, report.senders...) {
		if key, ok := m.addresses.Parse(bare(a)); ok {
			return key, true
		}
	}
	return schoolbell.MessageKey{}, false
}

// digestOf returns hexadecimal digits that are the same for the same report, also if it arrives over another server.
func digestOf(messageID string, body []byte) string {
	sum := sha256.Sum256([]byte(cmp.Or(messageID, string(body))))
	return hex.EncodeToString(sum[:8])
}
