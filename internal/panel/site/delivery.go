package site

import (
	"strconv"

	"schoolbell"
)

// WaveWord names a further wave, and not the event itself.
func WaveWord(wave int) string {
	if wave == 0 {
		return ""
	}
	return "wave " + strconv.Itoa(wave)
}

// DeliveryStatus is the strongest that is known of a delivery.
func DeliveryStatus(d schoolbell.Delivery) string {
	switch d.Outcome {
	case "":
		return string(d.Status)
	case schoolbell.OutcomeBounced, schoolbell.OutcomeComplained:
		return string(schoolbell.DeliveryFailed)
	}
	return string(d.Outcome)
}

// ReasonWords are the reasons that the program gives, in words. Others are a provider's own.
func ReasonWords(reason string) string {
	switch reason {
	case schoolbell.ReasonNoAddress:
		return "no address"
	case schoolbell.ReasonOptedOut:
		return "opted out"
	case schoolbell.ReasonNotInAudience:
		return "not in the audience"
	case schoolbell.ReasonInDigest:
		return "comes with the next digest"
	case schoolbell.ReasonSameAddress:
		return "same address as somebody else"
	case schoolbell.ReasonEmptyDigest:
		return "nothing was left to tell"
	case schoolbell.ReasonAwaitingReceipt:
		return "waits for a receipt"
	case schoolbell.ReasonQuietHours:
		return "waits for the end of quiet hours"
	}
	return reason
}
