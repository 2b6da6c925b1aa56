package people

import (
	"fmt"

	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/phone"
)

// normalize writes u in its usual form, and its phone numbers in the international format.
func (s *Service) normalize(u *schoolbell.User) {
	u.Normalize()
	if s.region == "" {
		return
	}
	u.Phone = phone.International(u.Phone, s.region)
	for i, a := range u.Addresses {
		if a.Channel == schoolbell.ChannelSMS {
			u.Addresses[i].Address = phone.International(a.Address, s.region)
		}
	}
}

// validate reports everything that is wrong with u as [schoolbell.Faults]: what
// [schoolbell.User.Validate] finds, and a domain to which no email can be sent.
func validate(u *schoolbell.User) error {
	faults := schoolbell.Faults(schoolbell.FaultsOf(u.Validate()))
	valid := len(faults) == 0
	check := func(field, email string) {
		if email == "" || !valid && schoolbell.ValidateEmail(email) != nil {
			return // reported already, or there is none
		}
		if _, bad := address.Wire(email); bad != nil {
			faults.Add(field, "the part after @ must be a domain such as example.org")
		}
	}
	check("email", u.Email)
	for i, a := range u.Addresses {
		if a.Channel == schoolbell.ChannelEmail {
			check(fmt.Sprintf("addresses[%d].address", i), a.Address)
		}
	}
	return faults.Err()
}
