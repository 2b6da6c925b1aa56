package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// maxReason is the longest reason of another program that is quoted, in characters.
const maxReason = 300

// Reason says in one line why a server cannot be reached, without the details of the client.
func Reason(err error) string {
	var dns *net.DNSError
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.As(err, &dns):
		return fmt.Sprintf("there is no host %s", dns.Name)
	}
	reason := []rune(oneLine(err.Error()))
	if len(reason) <= maxReason {
		return string(reason)
	}
	return string(reason[:maxReason-1]) + "…"
}

// oneLine returns s without line breaks and runs of spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
