package email

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/embedded"
	"schoolbell/internal/testenv"
)

func TestRealServer(t *testing.T) {
	t.Parallel()
	t.Run("every message arrives once and complete", testRealServerDelivery)
	t.Run("each rejection has the right verdict", testRealServerRejections)
}

func testRealServerDelivery(t *testing.T) {
	t.Parallel()
	sink := testenv.SMTPSinkServer(t, testenv.SinkOptions{Keep: true})
	s := sender(t, sink.Addr, func(c *SMTPConfig) { c.ReplyTo = "desk@hill.example" })
	if err := s.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	msgs := make([]schoolbell.Message, 200)
	for i := range msgs {
		msgs[i] = message(fmt.Sprintf("p%d@example.org", i), i)
	}
	for i, r := range sendAll(t, context.Background(), s, msgs) {
		if r.Verdict != schoolbell.VerdictSent {
			t.Fatalf("message %d: %+v", i, r)
		}
	}
	got := map[string]int{}
	for _, m := range sink.Messages() {
		got[strings.Join(m.To, ",")]++
		if id, want := m.Header.Get("Message-Id"), ".hill.example"; !strings.HasSuffix(strings.Replace(id, "@", ".", 1), want+">") {
			t.Errorf("Message-ID %s", id)
		}
		if m.From != "<office@hill.example>" || m.Header.Get("Reply-To") != "desk@hill.example" || m.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("from %s, header %v", m.From, m.Header)
		}
		if text := string(m.Body); !strings.Contains(text, "\n.a dot\n") || strings.Contains(text, "\n..a dot") {
			t.Errorf("body %q", text)
		}
	}
	for i := range msgs {
		if n := got[fmt.Sprintf("<p%d@example.org>", i)]; n != 1 {
			t.Errorf("recipient %d got %d emails", i, n)
		}
	}
}

func testRealServerRejections(t *testing.T) {
	t.Parallel()
	const hard, soft, hangUp, closing = "-f", "-r", "-q", "-Q"
	cases := []struct {
		name, how, command string
		verdict            schoolbell.Verdict
	}{
		{"a recipient for good", hard, "RCPT", schoolbell.VerdictGiveUp},
		{"a recipient for now", soft, "RCPT", schoolbell.VerdictRetry},
		{"the mail for good", hard, ".", schoolbell.VerdictGiveUp},
		{"the mail for now", soft, ".", schoolbell.VerdictRetry},
		{"by hanging up at the recipient", hangUp, "RCPT", schoolbell.VerdictDropped},
		{"by hanging up after the mail", hangUp, ".", schoolbell.VerdictUncertain},
		{"by closing after the mail", closing, ".", schoolbell.VerdictSlowDown},
		{"by closing at the greeting", closing, "EHLO", schoolbell.VerdictSlowDown},
		{"the greeting for good", hard, "EHLO", schoolbell.VerdictSlowDown},
		{"the greeting for now", soft, "EHLO", schoolbell.VerdictSlowDown},
		{"the sender for good", hard, "MAIL", schoolbell.VerdictSlowDown},
		{"the sender for now", soft, "MAIL", schoolbell.VerdictSlowDown},
		{"by hanging up at the sender", hangUp, "MAIL", schoolbell.VerdictDropped},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			sink := testenv.SMTPSinkServer(t, testenv.SinkOptions{Args: []string{x.how, x.command}})
			r := sendOne(t, sender(t, sink.Addr), message("ada@example.org", 1))
			if r.Verdict != x.verdict {
				t.Errorf("%+v, want %s", r, x.verdict)
			}
		})
	}
}

// BenchmarkSend sends emails of the size our template makes, in batches of 100 as
// workers do, five at a time.
func BenchmarkSend(b *testing.B) {
	html, err := os.ReadFile("../../render/testdata/event.email.html")
	if err != nil {
		b.Fatal(err)
	}
	for name, server := range map[string]func(b *testing.B) string{
		"into smtp-sink": func(b *testing.B) string { return testenv.SMTPSink(b).Addr },
		"into the catcher": func(b *testing.B) string {
			c, _ := catcher(b, embedded.MailCatcherOptions{})
			return c.Addr()
		},
		"into smtp-sink 50 ms away": func(b *testing.B) string { return distant(b, testenv.SMTPSink(b).Addr, 25*time.Millisecond) },
	} {
		b.Run(name, func(b *testing.B) {
			s := sender(b, server(b))
			var wg sync.WaitGroup
			start, cpu := time.Now(), cpuTime(b)
			for job := range 5 {
				wg.Go(func() {
					for i := job * 100; i < b.N; i += 500 {
						msgs := make([]schoolbell.Message, min(100, b.N-i))
						for j := range msgs {
							msgs[j] = message(fmt.Sprintf("p%d@example.org", i+j), i+j)
							msgs[j].HTML = schoolbell.Plain(string(html))
						}
						for j, r := range sendAll(b, context.Background(), s, msgs) {
							if r.Verdict != schoolbell.VerdictSent {
								b.Errorf("message %d: %+v", i+j, r)
								return
							}
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "emails/s")
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/mail")
		})
	}
}

// distant returns an address behind which is the server at addr, with every byte taking delay each way.
func distant(b *testing.B, addr string, delay time.Duration) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				_ = near.Close()
				continue
			}
			wg.Go(func() { carry(near, far, delay) })
			wg.Go(func() { carry(far, near, delay) })
		}
	})
	b.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

// carry moves bytes from one connection to the other, each chunk late by delay.
func carry(from, to net.Conn, delay time.Duration) {
	type chunk struct {
		due  time.Time
		text []byte
	}
	under := make(chan chunk, 1000)
	go func() {
		defer close(under)
		for {
			text := make([]byte, 64<<10)
			n, err := from.Read(text)
			if err != nil {
				return
			}
			under <- chunk{time.Now().Add(delay), text[:n]}
		}
	}()
	for c := range under {
		<-time.After(time.Until(c.due))
		_, _ = to.Write(c.text)
	}
	_ = to.Close()
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
