package auth

import "schoolbell"

// Reasons why a credential is refused.
const (
	ReasonUnknown = "unknown" // no key has the secret, or the token was not made here
	ReasonExpired = "expired"
	ReasonRevoked = "revoked"
)

// Refusal is the cause of an error that refuses a credential.
type Refusal struct {
	Reason      string
	Fingerprint string // of the key; empty for tokens
}

// Error says the reason.
func (r *Refusal) Error() string { return r.Reason }

func refuse(message, reason, fingerprint string) error {
	return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: message, Err: &Refusal{Reason: reason, Fingerprint: fingerprint}}
}
