package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"schoolbell/internal/embedded"
)

// Many large emails at once are refused temporarily instead of kept in memory.
func TestMailCatcherLimits(t *testing.T) {
	t.Parallel()
	c, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	send := func(conn net.Conn, in *bufio.Reader, line, want string) string {
		if line != "" {
			_, _ = fmt.Fprintf(conn, "%s\r\n", line)
		}
		for {
			reply, err := in.ReadString('\n')
			if err != nil || len(reply) < 4 || reply[3] == ' ' {
				if want != "" && !strings.HasPrefix(reply, want) {
					t.Errorf("%q was answered %q (%v)", line, reply, err)
				}
				return reply
			}
		}
	}
	body := strings.Repeat(strings.Repeat("x", 990)+"\r\n", 31<<20/992) // just below the limit of one mail
	var sending sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	started := make(chan struct{})
	var begun sync.WaitGroup
	for range 8 {
		begun.Add(1)
		sending.Go(func() {
			conn, err := net.Dial("tcp", c.Addr())
			if err != nil {
				t.Error(err)
				begun.Done()
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			send(conn, in, "", "220")
			send(conn, in, "EHLO x", "250")
			send(conn, in, "MAIL FROM:<a@x.example>", "250")
			send(conn, in, "RCPT TO:<b@x.example>", "250")
			send(conn, in, "DATA", "354")
			_, _ = conn.Write([]byte(body)) // not yet ended
			begun.Done()
			<-started
			reply := send(conn, in, ".", "")
			mu.Lock()
			defer mu.Unlock()
			answers[reply[:min(3, len(reply))]]++
		})
	}
	begun.Wait()
	close(started)
	sending.Wait()
	if answers["452"] < 3 || answers["250"] == 0 {
		t.Errorf("the emails were answered %v", answers)
	}
}
