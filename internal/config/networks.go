package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Proxies are the networks of TRUSTED_PROXIES; a single address is a network of its own.
func (h *HTTP) Proxies() ([]netip.Prefix, error) {
	return networks("trusted proxy", h.TrustedProxies)
}

// Outbound are the networks of OUTBOUND_ALLOW; a single address is a network of its own.
func (h *HTTP) Outbound() ([]netip.Prefix, error) {
	return networks("allowed network", h.OutboundAllow)
}

func networks(what string, texts []string) ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		if !strings.Contains(text, "/") {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("%s %q: %w", what, text, err)
			}
			addr = addr.Unmap()
			networks = append(networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", what, text, err)
		}
		networks = append(networks, unmapped(network).Masked())
	}
	return networks, nil
}

// unmapped turns a network of IPv4 addresses in the form of IPv6 ones (::ffff:10.0.0.0/104)
// into the IPv4 network: peers are compared in that form.
func unmapped(network netip.Prefix) netip.Prefix {
	const mapped = 96 // bits before the IPv4 address
	if !network.Addr().Is4In6() || network.Bits() < mapped {
		return network
	}
	return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mapped)
}
