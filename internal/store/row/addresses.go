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

type addressKey struct {
	channel schoolbell.Channel
	address string
}

// MergeAddresses returns the addresses that u has after it is put, if it had old ones before, and
// whether they differ. Addresses that stay on their channel keep their state.
func MergeAddresses(old []Address, u *schoolbell.User) (merged []Address, changed bool) {
	before := make(map[addressKey]Address, len(old))
	for _, a := range old {
		before[addressKey{a.Channel, a.Address}] = a
	}
	wanted := wantedAddresses(old, u)
	for i := range wanted {
		w := &wanted[i]
		if b, known := before[addressKey{w.Channel, w.Address}]; known {
			w.State, w.Reason = b.State, b.Reason
			changed = changed || b != *w
		} else {
			w.State, w.Reason, changed = AddressUnverified, "", true
		}
	}
	return wanted, changed || len(wanted) != len(old)
}

// wantedAddresses returns the addresses of u with their positions.
func wantedAddresses(old []Address, u *schoolbell.User) (wanted []Address) {
	seen := map[addressKey]int{} // index in wanted
	add := func(a Address) {
		if _, twice := seen[addressKey{a.Channel, a.Address}]; a.Address == "" || twice {
			return
		}
		seen[addressKey{a.Channel, a.Address}] = len(wanted)
		wanted = append(wanted, a)
	}
	for i, address := range []string{u.Email, u.Phone} {
		add(Address{Channel: recordChannels[i], Address: address})
	}
	if u.Addresses == nil {
		for _, a := range old {
			if i, known := seen[addressKey{a.Channel, a.Address}]; known {
				wanted[i].Label = a.Label
			} else if a.Position > 0 {
				add(a)
			}
		}
		return wanted
	}
	next := map[schoolbell.Channel]int{}
	for _, a := range u.Addresses {
		if i, known := seen[addressKey{a.Channel, a.Address}]; known {
			wanted[i].Label = a.Label
			continue
		}
		next[a.Channel]++
		add(Address{Channel: a.Channel, Position: next[a.Channel], Address: a.Address, Label: a.Label})
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
