package receipt

import (
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"schoolbell"
)

// ofMessage returns a receipt about the delivery that a key names.
func ofMessage(channel schoolbell.Channel, k schoolbell.MessageKey) schoolbell.Receipt {
	return schoolbell.Receipt{EventID: k.EventID, Wave: k.Wave, User: k.User, Channel: channel}
}

// firstKey returns the first of ids that is the id of a message.
func firstKey(ids ...string) (schoolbell.MessageKey, bool) {
	for _, id := range ids {
		if k, err := schoolbell.ParseMessageKey(id); err == nil {
			return k, true
		}
	}
	return schoolbell.MessageKey{}, false
}

// localPart returns what is before the @ of a Message-ID such as <id@host>.
func localPart(messageID string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(messageID), "<"), "@")
	return id
}

// bare returns the address in a mailbox such as "Ada <ada@school.example>".
func bare(mailbox string) string {
	if a, err := mail.ParseAddress(mailbox); err == nil {
		return a.Address
	}
	return mailbox
}

// maxReason is the longest reason, in characters.
const maxReason = 300

// reason joins the words of a provider into one line without personal data. address is the one that they are about.
func reason(address string, words ...string) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(strings.Join(words, " "), "\ufffd")), " ")
	if len(text) > 8*maxReason { // long texts take long to search for addresses
		text = strings.ToValidUTF8(text[:8*maxReason], "")
	}
	text = schoolbell.Redact(text, schoolbell.Personal{Addresses: []string{address}})
	if utf8.RuneCountInString(text) > maxReason {
		text = string([]rune(text)[:maxReason]) + "…"
	}
	return text
}

// timeOf reads a time of RFC 3339, or returns now.
func timeOf(text string, now time.Time) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return now
	}
	return plausible(at, now)
}

// plausible returns at, or now if at cannot be when something happened: the ledger removes receipts by their age.
func plausible(at, now time.Time) time.Time {
	if at.After(now) || at.Before(now.AddDate(-1, 0, 0)) {
		return now
	}
	return at
}
