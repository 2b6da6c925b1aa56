package config

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/channel/push/vapid"
)

// SetUp reports whether the settings have the keys of the channel.
func (p *Push) SetUp() bool { return p.PublicKey != "" || p.PrivateKey != "" }

// Key is the key pair.
func (p *Push) Key() (*vapid.Key, error) { return vapid.ParseKey(p.PublicKey, p.PrivateKey.Reveal()) }

func (p *Push) check(f *schoolbell.Faults) {
	between(f, "PUSH_CONNECTIONS", p.Connections, 1, 1000)
	for _, service := range p.Services {
		if !isService(service) {
			f.Add("PUSH_SERVICES", "must be hosts such as push.example,*.push.example")
			break
		}
	}
	if !p.SetUp() {
		return
	}
	switch {
	case p.PublicKey == "":
		f.Add("PUSH_PUBLIC_KEY", "is required with PUSH_PRIVATE_KEY")
	case p.PrivateKey == "":
		f.Add("PUSH_PRIVATE_KEY", "is required with PUSH_PUBLIC_KEY")
	default:
		if _, err := p.Key(); err != nil {
			f.Add("PUSH_PRIVATE_KEY", "%v; schoolbell push keys prints a new pair", err)
		}
	}
	if err := vapid.CheckSubject(p.Subject); err != nil {
		f.Add("PUSH_SUBJECT", "%v", err)
	}
	if len(p.Services) == 0 {
		f.Add("PUSH_SERVICES", "must name at least one host")
	}
}

// hostPattern is a host name, or one of all below a name.
var hostPattern = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// isService reports whether a text is an item of PUSH_SERVICES.
func isService(text string) bool {
	if text == "*" {
		return true
	}
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		n, errPort := strconv.Atoi(p)
		if errPort != nil || n < 1 || n > 65535 || strings.HasPrefix(h, "*") {
			return false
		}
		host = h
	}
	u, err := url.Parse("https://" + text)
	return err == nil && u.Host == text && (hostPattern.MatchString(host) || net.ParseIP(host) != nil)
}
