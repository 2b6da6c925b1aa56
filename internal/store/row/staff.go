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

// TooManyDrafts is the error of a draft beyond the limit.
func TooManyDrafts() error {
	return Conflict("you have %d drafts already, which is the limit: remove one that you do not need", schoolbell.MaxDrafts)
}

// FormSent is the error of a draft whose form was sent.
func FormSent() error { return Conflict("an event was created from this form already") }

// OtherIdentity is the error of a second identity of an account.
func OtherIdentity() error {
	return Conflict("the staff account belongs to another identity")
}
