package schoolbell

import (
	"fmt"
	"time"
)

// AddressState says whether messages may be sent to an address, and why not.
type AddressState string

// The states of an address.
const (
	AddressUnverified AddressState = "unverified" // nothing has arrived or failed there yet
	AddressGood       AddressState = "good"       // a message has arrived there
	AddressBounced    AddressState = "bounced"    // refused for good
	AddressComplained AddressState = "complained" // its owner reported a message as unwanted
	AddressStopped    AddressState = "stopped"    // its owner asked for no more messages
	AddressSuspended  AddressState = "suspended"  // it did not take messages for a while; used again after SuspensionTime
)

// An address that does not take messages at the moment, such as a full mailbox, is suspended after some soft bounces without
// a delivery between them.
const (
	SuspensionBounces = 5                   // soft bounces
	SuspensionSpan    = 2 * 24 * time.Hour  // between the first and the last of them, at least
	SuspensionWindow  = 30 * 24 * time.Hour // in which they count
	SuspensionTime    = 7 * 24 * time.Hour
)

// AddressStates lists every state of an address.
func AddressStates() []AddressState {
	return []AddressState{AddressUnverified, AddressGood, AddressBounced, AddressComplained, AddressStopped, AddressSuspended}
}

// Usable reports whether messages may be sent to an address in this state.
func (s AddressState) Usable() bool { return s == AddressUnverified || s == AddressGood }

// Limits on addresses.
const (
	MaxAddresses     = 20    // of a user
	MaxAddressLength = 2_000 // characters
	MaxDevices       = 10    // browsers of a user that receive push messages
)

// Address is a place where a user is reached on a channel: an email address, a phone
// number, a device. State and Reason are the ledger's; they are ignored when a user is put.
type Address struct {
	Channel Channel      `json:"channel"`
	Address string       `json:"address"`
	Label   string       `json:"label,omitempty"`
	State   AddressState `json:"state,omitempty"`
	Reason  string       `json:"reason,omitempty"` // the provider's words about the state, if it gave any
}

// ValidateAddress reports why address is not one of a channel. Of channels that this
// package does not know it asks for one line of text.
func ValidateAddress(c Channel, address string) error {
	switch {
	case address == "":
		return fmt.Errorf("must not be empty")
	case c == ChannelEmail:
		return ValidateEmail(address)
	case c == ChannelPush:
		_, err := ParsePushSubscription(address)
		return err
	case c == ChannelSMS && !phonePattern.MatchString(address):
		return fmt.Errorf("must be an international number such as +442079460018")
	case len([]rune(address)) > MaxAddressLength:
		return fmt.Errorf("must be at most %d characters", MaxAddressLength)
	}
	if fault := lineFault(address); fault != "" {
		return fmt.Errorf("%s", fault)
	}
	return nil
}

// checkAddresses checks the addresses of a user.
func checkAddresses(f *Faults, addresses []Address) {
	if len(addresses) > MaxAddresses {
		f.Add("addresses", "must be at most %d", MaxAddresses)
		return
	}
	if len(addresses) == 0 {
		return
	}
	type key struct {
		channel Channel
		address string
	}
	seen := map[key]bool{}
	for i, a := range addresses {
		at := fmt.Sprintf("addresses[%d]", i)
		switch {
		case !a.Channel.Valid():
			f.Add(at+".channel", channelFault)
		case a.Channel == ChannelInApp:
			f.Add(at+".channel", "the inbox has no addresses")
		}
		if err := ValidateAddress(a.Channel, a.Address); err != nil {
			f.Add(at+".address", "%v", err)
		}
		checkLine(f, at+".label", a.Label, MaxNameLength, false)
		if seen[key{a.Channel, a.Address}] {
			f.Add(at, "is listed twice")
		}
		seen[key{a.Channel, a.Address}] = true
	}
}
