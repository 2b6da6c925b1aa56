package email

import (
	"errors"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/address"
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
//
// Only what the server said about this very message is charged to it. A server
// that cannot be reached, does not let us in, or does not take the sender we give for every
// message, would use up the attempts of message after message; that is
// VerdictSlowDown, which costs none and rests the whole channel. It is Down
// when it lasts until somebody fixes the settings or the server. A server that
// ends the connection instead of answering said nothing about the message; that
// is VerdictDropped, which costs no attempt and does not keep others waiting,
// because it may be this message alone that the server stumbles over.
func refused(err error) schoolbell.Result {
	res := schoolbell.Result{Verdict: schoolbell.VerdictSlowDown, Reason: smtpconn.Cut(err.Error())}
	var e *smtpconn.Error
	switch {
	case !errors.As(err, &e): // there is no server to talk to: the sender is closed
		res.Down = true
	case e.Reply != nil && wantsRest(*e.Reply):
	case setsUp(e.Stage) || e.Reply != nil && refusesUs(e.Stage, *e.Reply):
		res.Down = true
	case e.Reply == nil && e.Stage == smtpconn.StageFinal:
		res.Verdict = schoolbell.VerdictUncertain
	case e.Reply == nil:
		res.Verdict = schoolbell.VerdictDropped
	case e.Reply.Class() == 4:
		res.Verdict = schoolbell.VerdictRetry
	default:
		res.Verdict = schoolbell.VerdictGiveUp
		if e.Stage == smtpconn.StageRcpt && noSuchAddress(*e.Reply) {
			res.Address = schoolbell.AddressBounced
		}
	}
	return res
}

// noSuchAddress reports whether a reply to RCPT is about the address and not about the
// message or us. Servers without enhanced codes say 550, 551 or 553 for it (RFC 5321 §4.2.3).
func noSuchAddress(r smtpconn.Reply) bool {
	if r.Enhanced != "" {
		return address.Unusable(r.Enhanced)
	}
	return r.Code == 550 || r.Code == 551 || r.Code == 553
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

// refusesUs tells answers that every other message would get too: MAIL is the
// same for all of them but for its parameters.
func refusesUs(s smtpconn.Stage, r smtpconn.Reply) bool {
	return wantsLogin(r) || s == smtpconn.StageMail && !tooBig(r) && !wantsPlainer(r)
}

func wantsLogin(r smtpconn.Reply) bool {
	switch r.Code {
	case 530, 534, 535, 538:
		return true
	}
	return false
}

func tooBig(r smtpconn.Reply) bool { return r.Code == 552 || r.Enhanced == "5.3.4" }

// wantsPlainer tells that the server stumbles over SMTPUTF8, which only messages
// to addresses beyond ASCII ask for.
func wantsPlainer(r smtpconn.Reply) bool {
	return r.Code == 455 || r.Code == 555 || r.Enhanced == "5.6.7"
}

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
