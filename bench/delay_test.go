package bench

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// distant is the address of a proxy that makes a server look further away: what either side sends arrives half of a round
// trip later. It ends with the benchmark.
func distant(b testing.TB, server string, roundTrip time.Duration) string {
	b.Helper()
	if roundTrip == 0 {
		return server
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	b.Cleanup(func() { _ = listener.Close(); all.Wait() })
	all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { proxy(near, server, roundTrip/2) })
		}
	})
	return listener.Addr().String()
}

// proxy connects a client with a server until either ends the connection.
func proxy(near net.Conn, server string, delay time.Duration) {
	defer near.Close()
	far, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_ = delayed(way[1], way[0], delay)
			_, _ = near.Close(), far.Close()
		})
	}
	both.Wait()
}

// packet is what was read at once, and when it arrives.
type packet struct {
	data []byte
	due  time.Time
}

// delayed copies from one connection to another. What is underway does not hold back what follows: a delay is no limit
// of the rate.
func delayed(to io.Writer, from io.Reader, delay time.Duration) error {
	underway := make(chan packet, 10_000)
	var readErr error
	go func() {
		defer close(underway)
		for {
			data := make([]byte, 16<<10)
			n, err := from.Read(data)
			if n > 0 {
				underway <- packet{data[:n], time.Now().Add(delay)}
			}
			if err != nil {
				readErr = err
				return
			}
		}
	}()
	var writeErr error
	for p := range underway {
		if writeErr == nil {
			<-time.After(time.Until(p.due))
			_, writeErr = to.Write(p.data)
		}
	}
	return errors.Join(readErr, writeErr)
}
