package app

import (
	"net"

	"golang.org/x/net/netutil"

	"schoolbell/internal/config"
)

// Descriptors that a process needs beside its HTTP connections and those that the
// settings count: the ledger's files, Redis, logs, the listeners.
const (
	otherFiles     = 96
	minConnections = 16
)

// connectionLimit is how many HTTP connections may be open, so that the rest of the
// program can always open what it needs; 0 means no limit.
func connectionLimit(cfg *config.Config, files int) int {
	if files == 0 {
		return 0
	}
	return max(minConnections, files-otherFiles-cfg.Ledger.Connections-cfg.Email.Connections)
}

// limitConnections makes ln accept at most limit connections at a time; further ones
// wait in the system's queue.
func limitConnections(ln net.Listener, limit int) net.Listener {
	if limit == 0 {
		return ln
	}
	return netutil.LimitListener(ln, limit)
}

// streamLimit is how many of these connections may be live streams: half of them, so
// that streams cannot keep other requests out.
func streamLimit(wanted, connections int) int {
	switch {
	case connections == 0:
		return wanted
	case wanted == 0:
		return connections / 2
	}
	return min(wanted, connections/2)
}
