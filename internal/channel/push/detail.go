package push

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// word is what may be quoted of a reply: a code such as BadJwtToken. Other texts of push services repeat endpoints.
var word = regexp.MustCompile(`^[A-Za-z]{1,40}$`)

// detail returns the code in the body of a reply, in brackets: reason of Apple's, errno of Mozilla's. It is empty if there
// is none.
func detail(body []byte) string {
	var reply struct {
		Reason string `json:"reason"`
		Errno  int    `json:"errno"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	switch {
	case word.MatchString(reply.Reason):
		return " (" + reply.Reason + ")"
	case reply.Errno > 0 && reply.Errno < 1000:
		return fmt.Sprintf(" (errno %d)", reply.Errno)
	}
	return ""
}
