package schoolbell

import (
	"math"
	"strconv"
	"strings"
)

// MessageKey is what the ID of a [Message] says: which delivery it is, and which of its addresses. Providers carry
// the ID and give it back with their receipts.
type MessageKey struct {
	EventID string // without dots and underscores
	Wave    int    // 0 for the event itself
	User    int64  // the user's number in the ledger
	Address int    // 0 for the first address of the delivery
}

// String writes the key as the ID of a message: event.user, then .wN for a further wave and .n for a further address.
func (k MessageKey) String() string {
	id := k.EventID + "." + strconv.FormatInt(k.User, 10)
	if k.Wave > 0 {
		id += ".w" + strconv.Itoa(k.Wave)
	}
	if k.Address > 0 {
		id += "." + strconv.Itoa(k.Address)
	}
	return id
}

// tagDot stands for a dot where providers allow none: an underscore and the hexadecimal code of a dot.
const tagDot = "_2e"

// Tag is String for providers, such as Amazon SES, that allow letters, digits, - and _ only.
func (k MessageKey) Tag() string { return strings.ReplaceAll(k.String(), ".", tagDot) }

// maxMessageID is the longest ID of a message, in bytes.
const maxMessageID = 200

// ParseMessageKey reads what [MessageKey.String] or [MessageKey.Tag] wrote. It accepts no other notation, such as
// leading zeros or numbers out of range.
func ParseMessageKey(text string) (MessageKey, error) {
	wrong := Invalid("message_id", "is not the id of a message")
	if len(text) > maxMessageID {
		return MessageKey{}, wrong
	}
	dotted := text
	if !strings.Contains(text, ".") {
		dotted = strings.ReplaceAll(text, tagDot, ".")
	}
	parts := strings.Split(dotted, ".")
	if len(parts) < 2 || !ValidID(parts[0]) {
		return MessageKey{}, wrong
	}
	k := MessageKey{EventID: parts[0]}
	k.User = positive(parts[1], math.MaxInt64)
	rest := parts[2:]
	if len(rest) > 0 {
		if n, ok := strings.CutPrefix(rest[0], "w"); ok {
			k.Wave, rest = int(positive(n, MaxWaves)), rest[1:]
		}
	}
	if len(rest) > 0 {
		k.Address = int(positive(rest[0], MaxAddresses))
	}
	if s := k.String(); s != dotted || k.User == 0 || strings.Contains(k.EventID, "_") {
		return MessageKey{}, wrong
	}
	return k, nil
}

// positive reads a number from 1 to most; it returns 0 for anything else.
func positive(text string, most int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0
	}
	return n
}
