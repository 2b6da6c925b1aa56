package ses

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
)

// How long the channel rests.
const (
	rateRest  = time.Second      // the rate per second is exceeded
	quotaRest = 10 * time.Minute // the quota of 24 hours is used up; AWS recommends to try again every 10 minutes
	stopRest  = 5 * time.Minute  // somebody must change settings or the account
)

// apiError is a reply that says no.
type apiError struct {
	status        int
	code, message string
}

// String returns the error as one line. It may quote a recipient.
func (e apiError) String() string {
	code := e.code
	if code == "" {
		code = fmt.Sprintf("status %d", e.status)
	}
	return calls.Words(strings.TrimSuffix("SES: "+code+": "+e.message, ": "))
}

// parseError reads the code from the header, or else from the body, where it may have a prefix, and the text.
func parseError(reply calls.Reply) apiError {
	var body struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // or Message: names are matched without case
	}
	_ = json.Unmarshal(reply.Body, &body) // a proxy on the way may answer with something else
	e := apiError{status: reply.Status, code: reply.Header.Get("X-Amzn-ErrorType"), message: body.Message}
	if e.code == "" {
		e.code = body.Type
	}
	if e.code == "" {
		e.code = body.Code
	}
	e.code, _, _ = strings.Cut(e.code, ":") // Code:http://…
	e.code = e.code[strings.LastIndexByte(e.code, '#')+1:]
	return e
}

// throttles are the codes of too many requests, and of too many emails in a second or in 24 hours.
var throttles = []string{"TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException"}

// stops are the codes of which every other message would get the same.
var stops = []string{
	"MailFromDomainNotVerifiedException",
	"NotFoundException", // the configuration set
	"SendingPausedException",
	"AccountSuspendedException",
	"AccessDeniedException", "AccessDenied", "InvalidSignatureException", "SignatureDoesNotMatch", "UnrecognizedClientException",
	"InvalidClientTokenId", "MissingAuthenticationTokenException", "MissingAuthenticationToken", "IncompleteSignatureException",
	"ExpiredTokenException", "ExpiredToken", "RequestExpired", "OptInRequired", "NotAuthorized",
}

// finals are the codes that are about the one message.
var finals = []string{"MessageRejected", "BadRequestException", "ValidationException", "InvalidParameterValue"}

// refused is what an error says about the message that was being sent from sender.
func refused(e apiError, sender string) schoolbell.Result {
	r := schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: e.String()}
	switch {
	case e.status >= http.StatusInternalServerError:
		r.Verdict = schoolbell.VerdictUncertain // it may have been accepted
	case e.overQuota():
		r.Verdict, r.After, r.Down = schoolbell.VerdictSlowDown, quotaRest, true
	case e.status == http.StatusTooManyRequests || slices.Contains(throttles, e.code):
		r.Verdict, r.After = schoolbell.VerdictSlowDown, rateRest
	case e.stops(sender):
		r.Verdict, r.After, r.Down = schoolbell.VerdictSlowDown, stopRest, true
	case slices.Contains(finals, e.code) || e.status == http.StatusRequestEntityTooLarge:
		r.Verdict = schoolbell.VerdictGiveUp
	}
	return r
}

// overQuota reports whether the emails of 24 hours are used up.
func (e apiError) overQuota() bool {
	return (slices.Contains(throttles, e.code) || e.status == http.StatusTooManyRequests) && strings.Contains(strings.ToLower(e.message), "daily message quota")
}

// stops reports whether somebody must change the settings or the account before any message is taken.
func (e apiError) stops(sender string) bool {
	switch {
	case slices.Contains(stops, e.code):
		return true
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden, e.status == http.StatusNotFound, e.status < http.StatusBadRequest:
		return true // no SES answers so: the endpoint is wrong
	case e.code != "MessageRejected" || !strings.Contains(e.message, "not verified"):
		return false
	}
	// In the sandbox, recipients must be verified too; only the sender concerns all messages.
	_, domain, _ := strings.Cut(sender, "@")
	for _, word := range strings.FieldsFunc(strings.ToLower(e.message), func(c rune) bool { return strings.ContainsRune(" ,;:", c) }) {
		if word == strings.ToLower(sender) || word == strings.ToLower(domain) {
			return true
		}
	}
	return false
}
