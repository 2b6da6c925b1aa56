package row

import (
	"fmt"

	"schoolbell"
)

// Address is a row of a user's addresses. The one at position 0 is Email or Phone of the user.
type Address struct {
	Channel  schoolbell.Channel
	Position int
	Address  string
	Label    string
	State    int
	Reason   string
}

// recordChannels are the channels that have an address in the user's own record.
var recordChannels = []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelSMS}

// MergeAddresses returns the addresses that u has after it is put, if it had old ones before, and
// whether they differ. Addresses that stay on their channel keep their state.
func MergeAddresses(old []Address, u *schoolbell.User) (merged []Address, changed bool) {
	wanted := wantedAddresses(old, u)
	for i := range wanted {
		w := &wanted[i]
		if at := indexAddress(old, w.Channel, w.Address); at >= 0 {
			w.State, w.Reason = old[at].State, old[at].Reason
			changed = changed || old[at] != *w
		} else {
			w.State, w.Reason, changed = AddressUnverified, "", true
		}
	}
	return wanted, changed || len(wanted) != len(old)
}

// indexAddress returns the index of an address in a list, or -1. The lists are short: maps of
// them would take most of the time of an import.
func indexAddress(list []Address, channel schoolbell.Channel, address string) int {
	for i := range list {
		if list[i].Channel == channel && list[i].Address == address {
			return i
		}
	}
	return -1
}

// wantedAddresses returns the addresses of u with their positions.
func wantedAddresses(old []Address, u *schoolbell.User) []Address {
	wanted := make([]Address, 0, len(recordChannels)+max(len(old), len(u.Addresses)))
	for i, address := range [...]string{u.Email, u.Phone} {
		if address != "" {
			wanted = append(wanted, Address{Channel: recordChannels[i], Address: address})
		}
	}
	if u.Addresses == nil {
		for _, a := range old {
			if at := indexAddress(wanted, a.Channel, a.Address); at >= 0 {
				wanted[at].Label = a.Label
			} else if a.Position > 0 {
				wanted = append(wanted, a)
			}
		}
		return wanted
	}
	next := map[schoolbell.Channel]int{}
	for _, a := range u.Addresses {
		if at := indexAddress(wanted, a.Channel, a.Address); at >= 0 {
			wanted[at].Label = a.Label
		} else if a.Address != "" {
			next[a.Channel]++
			wanted = append(wanted, Address{Channel: a.Channel, Position: next[a.Channel], Address: a.Address, Label: a.Label})
		}
	}
	return wanted
}

// FillAddresses gives u its addresses, which are in the order of the channels and positions.
func FillAddresses(u *schoolbell.User, addresses []Address) {
	u.Addresses = nil
	for _, a := range addresses {
		switch {
		case a.Channel == schoolbell.ChannelEmail && u.Email == "":
			u.Email = a.Address
		case a.Channel == schoolbell.ChannelSMS && u.Phone == "":
			u.Phone = a.Address
		}
		u.Addresses = append(u.Addresses, schoolbell.Address{Channel: a.Channel, Address: a.Address, Label: a.Label, State: State(a.State), Reason: a.Reason})
	}
}

// AddressChannels returns the channels of the addresses of u, and for each its field.
func AddressChannels(u *schoolbell.User) (channels []schoolbell.Channel, fields []string) {
	for i, a := range u.Addresses {
		channels, fields = append(channels, a.Channel), append(fields, fmt.Sprintf("addresses[%d].channel", i))
	}
	return channels, fields
}
