package identity

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"
)

// Reason says why nobody could sign in.
type Reason string

// The reasons.
const (
	Cancelled   Reason = "cancelled"     // by the person
	Refused     Reason = "refused"       // by the identity provider
	Unavailable Reason = "unavailable"   // the identity provider does not answer, or not as it should
	TooLate     Reason = "too late"      // the attempt is too old, or this browser has not begun it
	OtherState  Reason = "other state"   // the answer belongs to another attempt
	UsedCode    Reason = "used code"     // the answer was used before, or is too old
	BadSetup    Reason = "setup"         // the identity provider does not accept the client or its secret
	OtherNonce  Reason = "other nonce"   // the ID token belongs to another attempt
	OtherClient Reason = "other client"  // the ID token is for another program
	OldToken    Reason = "expired token" // the ID token has expired, or a clock is wrong
	Untrusted   Reason = "untrusted"     // the ID token is not that of the identity provider
)

// Fault is the error of an attempt that failed. Its text names no person: it may be logged.
type Fault struct {
	Reason Reason
	cause  error
}

func fault(reason Reason, format string, args ...any) *Fault {
	return &Fault{reason, fmt.Errorf(format, args...)}
}

// Error says what happened.
func (f *Fault) Error() string { return string(f.Reason) + ": " + f.cause.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.cause }

// faultOfError sorts the errors that the identity provider sends in place of a code. Its descriptions may name people, so
// they are left out.
func faultOfError(code string) *Fault {
	switch code {
	case "access_denied":
		return fault(Cancelled, "the identity provider says access_denied")
	case "server_error", "temporarily_unavailable":
		return fault(Unavailable, "the identity provider says %s", code)
	case "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_response_type":
		return fault(BadSetup, "the identity provider says %s", code)
	}
	return fault(Refused, "the identity provider says %s", plain(code))
}

// faultOfExchange sorts the errors of the request that exchanges a code for an ID token.
func faultOfExchange(err error) *Fault {
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok && errors.Is(err, context.Canceled):
		return fault(Unavailable, "the browser did not wait for the identity provider")
	case !ok:
		return fault(Unavailable, "exchange the code: %w", err)
	case answer.ErrorCode == "invalid_grant":
		return fault(UsedCode, "the identity provider says invalid_grant")
	case answer.ErrorCode == "invalid_client" || answer.ErrorCode == "unauthorized_client" || answer.ErrorCode == "invalid_request":
		return fault(BadSetup, "the identity provider says %s", answer.ErrorCode)
	}
	status := 0
	if answer.Response != nil {
		status = answer.Response.StatusCode
	}
	return fault(Unavailable, "exchange the code: status %d, error %q", status, plain(answer.ErrorCode))
}

// plain returns a code as standards have them, "another error" for anything else, which may be a text about a person.
func plain(code string) string {
	if len(code) > 64 {
		return "another error"
	}
	for _, r := range code {
		if r != '_' && (r < 'a' || r > 'z') {
			return "another error"
		}
	}
	return code
}
