//go:build !unix

package embedded

import (
	"errors"
	"fmt"
	"net"
)

// connPair returns the two ends of a connection over loopback, whose listener is open
// for a moment only and takes nobody but this client.
func connPair() (client, server net.Conn, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the in-process redis: %w", err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		return nil, nil, fmt.Errorf("connect to the in-process redis: %w", err)
	}
	server, err = ln.Accept()
	if err == nil && server.RemoteAddr().String() != client.LocalAddr().String() {
		err = errors.New("connect to the in-process redis: another program connected first")
	}
	return client, server, err
}
