package testproc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are taken from below the range that the kernel hands to outgoing
// connections, so that a server which restarts finds its port still free.
const (
	firstPort = 20000
	lastPort  = 32000
)

// FreePort returns a TCP port on loopback that nobody listens on and that no
// other test gets while this one runs. Prefer port 0 where the server can say
// which port it got.
func FreePort(t testing.TB) int {
	t.Helper()
	port, release, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// ReservePort picks a port and reserves it against other test processes until
// release is called or this process ends.
func ReservePort() (port int, release func(), err error) {
	for range 200 {
		port = firstPort + rand.IntN(lastPort-firstPort)
		release, err = lockPort(port)
		if err != nil {
			continue
		}
		if portFree(port) {
			return port, release, nil
		}
		release()
	}
	return 0, nil, errors.New("no free port on loopback")
}

// portFree tries with a listener and with a connection: a server that set
// SO_REUSEPORT would let a second one listen beside it.
func portFree(port int) bool {
	addr := Loopback(port)
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		return false
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Loopback is the address of a port on 127.0.0.1.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// lockName names the reservation of a port.
func lockName(port int) string { return fmt.Sprintf("schoolbell-test-port-%d", port) }
