package schoolbell

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Suppression is an address of a user to which nothing is sent, because of its state.
type Suppression struct {
	Key     SuppressionKey
	UserID  string
	Address string
	State   AddressState
	Reason  string // the provider's words, or those of the staff
	Since   time.Time
	Until   time.Time // when the address is used again; zero for never
}

// SuppressionEnd returns when an address with this state since a time is used again; zero for never.
func SuppressionEnd(state AddressState, since time.Time) time.Time {
	if state == AddressSuspended {
		return since.Add(SuspensionTime)
	}
	return time.Time{}
}

// SuppressionKey names an address of a user without showing it.
type SuppressionKey struct {
	User    int64 // the user's number in the ledger
	Channel Channel
	Digest  string // of the address, see [AddressDigest]
}

// String writes the key as the id of a suppression.
func (k SuppressionKey) String() string { return fmt.Sprintf("%d.%s.%s", k.User, k.Channel, k.Digest) }

// digestLength is the length of an AddressDigest. It only tells the few addresses of one user apart.
const digestLength = 16

// AddressDigest returns hexadecimal digits that tell an address from the others of its user.
func AddressDigest(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:])[:digestLength]
}

// ParseSuppressionKey reads what [SuppressionKey.String] wrote, and no other notation.
func ParseSuppressionKey(text string) (SuppressionKey, error) {
	wrong := &Error{Code: CodeNotFound, Message: "there is no such suppression"}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[2]) != digestLength || !Channel(parts[1]).Valid() {
		return SuppressionKey{}, wrong
	}
	n, err := strconv.ParseInt(parts[0], 10, 64)
	k := SuppressionKey{User: n, Channel: Channel(parts[1]), Digest: parts[2]}
	if err != nil || n < 1 || k.String() != text {
		return SuppressionKey{}, wrong
	}
	return k, nil
}
