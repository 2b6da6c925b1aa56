package cli_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// refusingSMTP is a mail server that answers one command with a refusal that repeats an
// address and a phone number.
func refusingSMTP(t *testing.T, command string) (port int) {
	t.Helper()
	return serveConns(t, func(conn net.Conn) { refuseSMTP(conn, command) })
}

// serveConns hands every connection to a free loopback port to handle, until the test ends.
func serveConns(t *testing.T, handle func(net.Conn)) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer conn.Close(); handle(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return ln.Addr().(*net.TCPAddr).Port
}

func refuseSMTP(conn net.Conn, command string) {
	reply := "220 hi"
	for lines := bufio.NewScanner(conn); ; {
		if _, err := io.WriteString(conn, reply+"\r\n"); err != nil || !lines.Scan() {
			return
		}
		said := strings.ToUpper(lines.Text())
		switch {
		case strings.HasPrefix(said, command):
			reply = "535 5.7.8 anne.smith@school.example is locked, call +49 30 1234567"
		case strings.HasPrefix(said, "EHLO"):
			reply = "250-hi\r\n250 AUTH PLAIN LOGIN"
		case strings.HasPrefix(said, "QUIT"):
			return
		default:
			reply = "502 5.5.1 no"
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	t.Run("readiness and doctor hide personal data in SMTP replies", testRedactSMTPReplies)
}

func testRedactSMTPReplies(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"EHLO", "AUTH"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			env := bare("DATA_DIR="+t.TempDir(), "SCHOOLBELL_API_KEY="+testKey, "SMTP_HOST=127.0.0.1", fmt.Sprintf("SMTP_PORT=%d", refusingSMTP(t, command)),
				"SMTP_USERNAME=office", "SMTP_PASSWORD=hunter2", "EMAIL_FROM=office@hill.example")
			serve := inProcess(t, env, "serve")
			s := server{t, serve.says(urlLine), testKey}
			if r := s.readiness(); r.code != 503 {
				t.Errorf("readyz: %+v", r)
			}
			serve.says(`dependency is down.*5\.7\.8`)
			doctor := inProcess(t, env, "doctor")
			doctor.says(`^fail +email .*5\.7\.8`)
			doctor.exits(1)
			serve.ends()
			for _, text := range []string{"anne", "school.example", "1234567"} {
				if out := serve.err.String() + doctor.out.String(); strings.Contains(out, text) {
					t.Errorf("%s is in the log:\n%s", text, out)
				}
			}
		})
	}
}
