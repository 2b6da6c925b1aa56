package receipt

import (
	"regexp"
	"strings"

	"schoolbell"
	"schoolbell/internal/address"
)

// statusCode is an enhanced status code (RFC 3463), perhaps inside of other words.
var statusCode = regexp.MustCompile(`\b([245])\.(\d{1,3})\.(\d{1,3})\b`)

// statusKind returns what the fields about a recipient in a delivery status notification say (RFC 3464 §2.3).
func statusKind(f fields) schoolbell.ReceiptKind {
	switch strings.ToLower(f["action"]) {
	case "delivered":
		return schoolbell.ReceiptDelivered
	case "relayed", "expanded", "delayed": // somebody has it
		return schoolbell.ReceiptAccepted
	case "failed":
		return failureKind(failureCode(f))
	}
	return ""
}

// failureCode returns the enhanced status code of a failure. Some servers give a general one and say more in the reply that they
// had.
func failureCode(f fields) string {
	code := statusCode.FindString(f["status"])
	if strings.HasSuffix(code, ".0.0") || code == "" {
		if exact := statusCode.FindString(f["diagnostic-code"]); exact != "" {
			return exact
		}
	}
	return code
}

// failureKind returns what a code says about the address. Without more knowledge, it says nothing.
func failureKind(code string) schoolbell.ReceiptKind {
	switch {
	case address.Unusable(code):
		return schoolbell.ReceiptBounced
	case mailboxFull(code), code == "5.4.1": // by which Microsoft refuses recipients that it does not know, and others
		return schoolbell.ReceiptSoftBounced
	}
	return schoolbell.ReceiptFailed
}
