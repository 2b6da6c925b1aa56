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
	if err := p.forward(server, program); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.Logf("connection to PostgreSQL: %v", err)
	}
	_ = server.Close()
	back.Wait()
}

// ping is the query of pgx that asks only whether the server answers.
const ping = "-- ping\x00"

// forward sends the messages of a program to the server: a letter, a length that counts itself, and the rest. The first
// message has no letter. Each is counted before the server can answer it.
func (p *PostgresTraffic) forward(server io.Writer, program io.Reader) error {
	header := make([]byte, 5)
	for letter := 0; ; letter = 1 {
		if _, err := io.ReadFull(program, header[1-letter:]); err != nil {
			return err
		}
		rest := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(program, rest); err != nil {
			return err
		}
		switch header[0] {
		case 'Q': // a simple query
			if string(rest) != ping {
				p.roundTrips.Add(1)
				p.statements.Add(1)
			}
		case 'S': // the end of what is sent together
			p.roundTrips.Add(1)
		case 'E':
			p.statements.Add(1)
		}
		if _, err := server.Write(append(header[1-letter:5:5], rest...)); err != nil {
			return err
		}
	}
}
