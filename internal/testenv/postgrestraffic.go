package testenv

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// PostgresTraffic counts what programs send to a PostgreSQL server. It does not count the
// pings by which pgx checks a connection that was idle for a second.
type PostgresTraffic struct {
	roundTrips, statements atomic.Int64
}

// RoundTrips returns how often a program has waited for an answer.
func (p *PostgresTraffic) RoundTrips() int { return int(p.roundTrips.Load()) }

// Statements returns how many statements were executed, BEGIN and COMMIT included.
func (p *PostgresTraffic) Statements() int { return int(p.statements.Load()) }

// CountPostgres returns a URL that leads to the same database as dsn, without TLS, and what
// is sent on its connections.
func CountPostgres(t testing.TB, dsn string) (counted string, traffic *PostgresTraffic) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	traffic = &PostgresTraffic{}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); running.Wait() })
	server := u.Host
	running.Go(func() {
		for {
			program, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { traffic.carry(t, program, server) })
		}
	})
	u.Host = ln.Addr().String()
	return u.String(), traffic
}

// carry connects the program with the server until one of them ends the connection.
func (p *PostgresTraffic) carry(t testing.TB, program net.Conn, address string) {
	defer program.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		t.Errorf("connect to PostgreSQL: %v", err)
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(program, server)
		_ = program.Close()
	})
	if err := p.count(io.TeeReader(program, server)); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.Logf("connection to PostgreSQL: %v", err)
	}
	_ = server.Close()
	back.Wait()
}

// ping is the query of pgx that asks only whether the server answers.
const ping = "-- ping\x00"

// count reads the messages of a program: a letter, a length that counts itself, and the
// rest. The first message has no letter.
func (p *PostgresTraffic) count(messages io.Reader) error {
	header := make([]byte, 5)
	for letter := 0; ; letter = 1 {
		if _, err := io.ReadFull(messages, header[1-letter:]); err != nil {
			return err
		}
		rest := int64(binary.BigEndian.Uint32(header[1:])) - 4
		start := make([]byte, min(rest, int64(len(ping))))
		if _, err := io.ReadFull(messages, start); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, messages, rest-int64(len(start))); err != nil {
			return err
		}
		switch header[0] {
		case 'Q': // a simple query
			if string(start) != ping {
				p.roundTrips.Add(1)
				p.statements.Add(1)
			}
		case 'S': // the end of what is sent together
			p.roundTrips.Add(1)
		case 'E':
			p.statements.Add(1)
		}
	}
}
