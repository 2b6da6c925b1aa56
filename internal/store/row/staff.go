package row

import "schoolbell"

// EmailTaken is the error of a second staff account with an email address.
func EmailTaken() error { return Conflict("another staff account has this email address") }

// TooManyStaff is the error of a staff account beyond the limit.
func TooManyStaff() error {
	return Conflict("there are %d staff accounts already, which is the limit", schoolbell.MaxStaff)
}

// LastAdmin is the error of a change after which nobody could change staff accounts.
func LastAdmin() error {
	return Conflict("this is the last admin: make somebody else an admin first")
}

// HasStaff is the error of a first staff account when there is one.
func HasStaff() error { return Conflict("there is a staff account already") }
