package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Proxies are the networks of TRUSTED_PROXIES; a single address is a network of its own.
func (h *HTTP) Proxies() ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, 0, len(h.TrustedProxies))
	for _, text := range h.TrustedProxies {
		if !strings.Contains(text, "/") {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("trusted proxy %q: %w", text, err)
			}
			networks = append(networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q: %w", text, err)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}
