package fake

import (
	"net/http"
	"slices"
	"strings"
)

// Act is what a fake does with a message.
type Act string

// The acts. Names are also the beginnings of recipients, for [ByRecipient].
const (
	Accept   Act = "accept"
	Reject   Act = "reject"   // for good
	Defer    Act = "defer"    // for now
	Throttle Act = "throttle" // ask for fewer messages
	Stop     Act = "stop"     // reject it as every message, because of the account
	Fail     Act = "fail"     // accept it, and answer that the server has an internal error
	Hang     Act = "hang"     // never answer, and accept nothing
	Reset    Act = "reset"    // accept it, and end the connection without a reply
	Cut      Act = "cut"      // accept it, and end the connection in the middle of the reply
)

// Acts lists every act.
func Acts() []Act { return []Act{Accept, Reject, Defer, Throttle, Stop, Fail, Hang, Reset, Cut} }

// Script tells what to do with a message to a recipient. It is called by several goroutines at once, and may wait.
type Script func(to string) Act

// ByRecipient does what the recipient begins with: throttle.ada@example.org is throttled, and everybody else accepted.
func ByRecipient(to string) Act {
	name, _, _ := strings.Cut(to, "@")
	name, _, _ = strings.Cut(name, ".")
	if act := Act(name); slices.Contains(Acts(), act) {
		return act
	}
	return Accept
}

// lost plays an act that leaves the client without a whole reply, once it is known what the reply would be. It reports
// whether act is such an act.
func lost(w http.ResponseWriter, r *http.Request, act Act, reply string) bool {
	switch act {
	case Hang:
		<-r.Context().Done()
	case Reset:
	case Cut:
		w.Header().Set("Content-Length", "4096")
		_, _ = w.Write([]byte(reply[:len(reply)/2]))
		_ = http.NewResponseController(w).Flush()
	default:
		return false
	}
	panic(http.ErrAbortHandler)
}
