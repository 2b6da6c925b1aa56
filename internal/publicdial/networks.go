package publicdial

import "net/netip"

// closed are the networks that have a special purpose (the registries of RFC 6890), and so are not public although some
// look like it.
var closed = networks(
	"0.0.0.0/8",
	"10.0.0.0/8",
	"100.64.0.0/10", // carriers; also the metadata service of Alibaba Cloud
	"127.0.0.0/8",
	"169.254.0.0/16", // link-local; also the metadata services of most clouds
	"172.16.0.0/12",
	"192.0.0.0/24",
	"192.0.2.0/24",
	"192.88.99.0/24",
	"192.168.0.0/16",
	"198.18.0.0/15",
	"198.51.100.0/24",
	"203.0.113.0/24",
	"224.0.0.0/4",
	"240.0.0.0/4",
	"168.63.129.16/32", // the platform service of Azure, a public address

	"::/96",        // unspecified, loopback and IPv4-compatible
	"64:ff9b::/96", // NAT64
	"64:ff9b:1::/48",
	"100::/64",
	"2001::/23", // also Teredo
	"2001:db8::/32",
	"2002::/16", // 6to4
	"3fff::/20",
	"5f00::/16",
	"fc00::/7", // also the metadata service of AWS
	"fe80::/10",
	"fec0::/10",
	"ff00::/8",
)

func networks(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// plain returns an address in the form in which networks are compared: IPv4 in IPv6 as IPv4, and without a zone.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// public reports whether an address is one of the public Internet.
func public(addr netip.Addr) bool {
	addr = plain(addr)
	for _, network := range closed {
		if network.Contains(addr) {
			return false
		}
	}
	return addr.IsGlobalUnicast()
}
