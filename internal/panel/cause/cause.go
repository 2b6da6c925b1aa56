// Package cause tells why deliveries failed, from what providers say.
package cause

import (
	"regexp"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Cause is why deliveries fail, in words, and what to do about it.
type Cause struct {
	ID, Text, Advice string
	pattern          *regexp.Regexp // of what providers say
}

// Causes of which nothing is sent again.
const (
	Unwanted = "complained"
	device   = "device"
)

// All are those that the panel knows, in the order in which they are looked for. Texts of servers are in English.
var All = []Cause{
	{Unwanted, "Reported as unwanted", "The recipient has marked the message as spam. Schoolbell does not write to the address any more.", nil},
	{device, "The device is gone", "Nothing to do: the device was removed. The person can switch notifications on again.", regexp.MustCompile(`does not know the device`)},
	{"full", "The mailbox is full", "Resending in a day or two often works.", regexp.MustCompile(`(?i)\b[45]\.2\.2\b|over ?quota|quota exceeded|mailbox (is )?full`)},
	{"address", "The address does not exist", "Correct the addresses, then resend. Schoolbell does not write to them any more.",
		regexp.MustCompile(`(?i)\b[45]\.1\.(1|2|3|6|10)\b|user unknown|unknown (user|recipient)|no such (user|mailbox|address|recipient)|does not exist|mailbox unavailable`)},
	{"number", "The phone number cannot be reached", "Correct the numbers, then resend.", regexp.MustCompile(`\b(21211|21614|21635|30005|30006|21610)\b`)},
	{"spam", "Refused as spam", "Tell your administrator: the checks of the sender (SPF, DKIM, DMARC) may be wrong for your domain.",
		regexp.MustCompile(`(?i)\b[45]\.7\.\d+\b|spam|dmarc|\bspf\b|\bdkim\b|block(ed|list)|blacklist|policy|\b30007\b`)},
	{"later", "The provider could not take it at that time", "Resend it.", regexp.MustCompile(`(?i)\b4\d\d\b|\b4\.\d\.\d+\b|time-?out|timed out|try again|temporar|unavailable|cannot be reached`)},
	{"other", "Another reason", "Look at the reason in the list. Resending helps if it was about the moment.", regexp.MustCompile(``)},
}

// Of finds the cause that a reason belongs to.
func Of(r ledger.FailedReason) Cause {
	if r.Outcome == schoolbell.OutcomeComplained {
		return All[0]
	}
	return All[slices.IndexFunc(All, func(c Cause) bool { return c.pattern != nil && c.pattern.MatchString(r.Reason) })]
}

// Resend reports whether it can help to send again what failed for a cause. What was reported as unwanted is never sent again.
func (c Cause) Resend() bool { return c.ID != Unwanted && c.ID != device }
