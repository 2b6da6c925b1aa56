package smtpconn

import (
	"net"

	"schoolbell"
)

// Security says how a connection is protected.
type Security int

const (
	StartTLS Security = iota // plain at first; STARTTLS is required
	Implicit                 // TLS from the first byte
	Plain                    // none
)

// The modes by which settings name a [Security].
const (
	ModeStartTLS = "starttls"
	ModeImplicit = "implicit"
	ModeNone     = "none"
)

// Modes lists every mode in the order in which they are shown.
func Modes() []string { return []string{ModeStartTLS, ModeImplicit, ModeNone} }

// ParseMode returns what mode names, and false if it is none of [Modes].
func ParseMode(mode string) (s Security, ok bool) {
	switch mode {
	case ModeStartTLS:
		return StartTLS, true
	case ModeImplicit:
		return Implicit, true
	case ModeNone:
		return Plain, true
	}
	return 0, false
}

// WithDefaults fills in what settings leave out: a mode that is empty is "none" on this
// machine, where host may be empty too, and "starttls" elsewhere; a port that is 0
// is 465 for "implicit", 25 for "none" and 587 otherwise.
func WithDefaults(host, mode string, port int) (string, int) {
	if mode == "" {
		mode = ModeStartTLS
		if host == "" || schoolbell.Loopback(host) {
			mode = ModeNone
		}
	}
	if port != 0 {
		return mode, port
	}
	switch mode {
	case ModeImplicit:
		return mode, 465
	case ModeNone:
		return mode, 25
	}
	return mode, 587
}

// onLoopback reports whether a peer is this machine.
func onLoopback(peer net.Addr) bool {
	host, _, err := net.SplitHostPort(peer.String())
	return err == nil && schoolbell.Loopback(host)
}
