package email

import (
	"errors"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/channel/email/smtpconn"
)

// slowCodes are the status codes (RFC 3463 and what providers made of it) that
// mean "fewer, please" where the reply code itself is an ordinary 450 to 452.
var slowCodes = []string{
	"4.3.2",  // system not accepting messages now
	"4.4.5",  // congestion
	"4.7.28", // too many from this address or network
}

// sent is the result of a mail the server took.
func sent(r smtpconn.Reply) schoolbell.Result {
	return schoolbell.Result{Verdict: schoolbell.VerdictSent, ProviderID: queueID(r)}
}

// refused says what err means for the message that was being sent.
// broken is true when it is no fault of the message: nothing will go through
// until somebody mends the settings or the server.
func refused(err error) (res schoolbell.Result, broken bool) {
	var e *smtpconn.Error
	if !errors.As(err, &e) {
		return schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: smtpconn.Cut(err.Error())}, true
	}
	res.Reason = smtpconn.Cut(e.Error())
	switch {
	case e.Reply == nil && e.Stage == smtpconn.StageFinal:
		res.Verdict = schoolbell.VerdictUncertain
	case e.Reply == nil:
		res.Verdict, broken = schoolbell.VerdictRetry, setsUp(e.Stage)
	case wantsRest(*e.Reply):
		res.Verdict = schoolbell.VerdictSlowDown
	case e.Reply.Class() == 4:
		res.Verdict, broken = schoolbell.VerdictRetry, setsUp(e.Stage)
	case setsUp(e.Stage) || wantsLogin(*e.Reply) || e.Stage == smtpconn.StageMail && !tooBig(*e.Reply):
		res.Verdict, broken = schoolbell.VerdictRetry, true
	default:
		res.Verdict = schoolbell.VerdictGiveUp
	}
	return res, broken
}

// setsUp tells the stages that come before any message.
func setsUp(s smtpconn.Stage) bool {
	switch s {
	case smtpconn.StageDial, smtpconn.StageGreet, smtpconn.StageTLS, smtpconn.StageHello, smtpconn.StageAuth:
		return true
	}
	return false
}

func wantsRest(r smtpconn.Reply) bool {
	return r.Code == 421 || r.Code == 454 || r.Class() == 4 && slices.Contains(slowCodes, r.Enhanced)
}

func wantsLogin(r smtpconn.Reply) bool {
	switch r.Code {
	case 530, 534, 535, 538:
		return true
	}
	return false
}

func tooBig(r smtpconn.Reply) bool { return r.Code == 552 || r.Enhanced == "5.3.4" }

// queueID finds the server's own id for a mail in the words with which it took
// it: "queued as X" (Postfix), "OK id=X" (Exim), "Ok X" (Amazon SES). Failing
// that it is all the words.
func queueID(r smtpconn.Reply) string {
	text := strings.TrimSpace(strings.TrimPrefix(r.String()[3:], " "+r.Enhanced))
	for _, before := range []string{"queued as ", "OK id=", "Ok "} {
		if _, id, found := strings.Cut(text, before); found {
			if id, _, _ = strings.Cut(id, " "); len(id) >= 6 {
				return strings.Trim(id, "<>.,;")
			}
		}
	}
	return text
}
