//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// connPair returns the two ends of a connection that has no address: nobody else can
// connect to it. Unlike net.Pipe it has buffers, without which a client that sends
// several commands before it reads would wait for ever.
func connPair() (client, server net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the in-process redis: %w", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	client, err = connOf(fds[0])
	server, errServer := connOf(fds[1])
	return client, server, errors.Join(err, errServer)
}

// connOf takes fd over.
func connOf(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "in-process redis")
	defer f.Close() // FileConn has a descriptor of its own
	return net.FileConn(f)
}
