package people

import (
	"errors"

	"schoolbell"
	"schoolbell/internal/address"
)

// validate reports everything that is wrong with u as [schoolbell.Faults]: what
// [schoolbell.User.Validate] finds, and a domain to which no email can be sent.
func validate(u *schoolbell.User) error {
	err := u.Validate()
	if schoolbell.ValidateEmail(u.Email) != nil {
		return err // reported already, or there is none
	}
	if _, bad := address.Wire(u.Email); bad == nil {
		return err
	}
	var faults schoolbell.Faults
	errors.As(err, &faults)
	faults.Add("email", "the part after @ must be a domain such as example.org")
	return faults
}
