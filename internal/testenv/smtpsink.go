package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"schoolbell/bullmq/testproc"
)

// Sink is an SMTP server in C that takes every message, as fast as it comes:
// Postfix's smtp-sink, a judge that is not ours.
type Sink struct {
	Addr string // "127.0.0.1:port"
	Host string
	Port int

	t    testing.TB
	pid  int
	log  string
	mail string // folder of kept messages, empty when they are thrown away
}

// SinkOptions says how a sink differs from the plain one.
type SinkOptions struct {
	Keep bool     // keep the messages on disk for Messages; much slower
	Args []string // further arguments of smtp-sink, as {"-r", "RCPT"}
}

// SinkMessage is one message as the sink took it.
type SinkMessage struct {
	From   string      // envelope sender, in angle brackets
	To     []string    // envelope recipients, in angle brackets
	Header mail.Header // of the message, and the sink's own X-Client-…, Received
	Body   []byte      // as sent, line ends LF
}

// SMTPSink starts a sink that counts messages and throws them away. It stops when
// the test ends.
func SMTPSink(t testing.TB) *Sink {
	t.Helper()
	return SMTPSinkServer(t, SinkOptions{})
}

// SMTPSinkServer starts a sink and stops it when the test ends.
func SMTPSinkServer(t testing.TB, o SinkOptions) *Sink {
	t.Helper()
	bin, err := testproc.Find([]string{"smtp-sink"}, []string{"/usr/sbin", "/usr/lib/postfix", "/usr/libexec/postfix"})
	if err != nil {
		testproc.Missing(t, "smtp-sink (part of postfix)", makeDeps)
	}
	root, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "smtp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Sink{t: t, log: filepath.Join(dir, "log"), Host: "127.0.0.1"}
	if o.Keep {
		s.mail = filepath.Join(dir, "mail")
	}
	if err := s.start(bin, dir, o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Sink) start(bin, dir string, o SinkOptions) error {
	cred, err := testproc.Unprivileged("nobody", "postgres") // it refuses to run as root
	if err != nil {
		return err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	args := append([]string{"-4", "-c"}, o.Args...)
	if o.Keep {
		args = append(args, "-d", "mail/")
	}
	for range 5 {
		port, release, errPort := testproc.ReservePort()
		if errPort != nil {
			return errPort
		}
		s.Port, s.Addr = port, testproc.Loopback(port)
		var p *testproc.Process
		p, err = testproc.Start(bin, append(args, s.Addr, "1000"), testproc.Options{Dir: dir, Log: s.log, Death: syscall.SIGKILL, Credential: cred})
		if err == nil {
			s.t.Cleanup(func() { p.Stop(syscall.SIGKILL); release() })
			if err = p.Await(s.answers); err == nil {
				s.pid = p.PID()
				return nil
			}
			continue
		}
		release()
	}
	return fmt.Errorf("smtp-sink: %w", err)
}

func (s *Sink) answers() error {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// PID is the id of the process.
func (s *Sink) PID() int { return s.pid }

// Count returns how many messages the sink has taken to their final dot.
func (s *Sink) Count() int {
	s.t.Helper()
	text, err := readEnd(s.log, 4096)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := lastCount(text)
	if err != nil {
		s.t.Fatalf("smtp-sink's counter: %v", err)
	}
	return n
}

// readEnd reads the last size bytes of a file: the log grows with each message.
func readEnd(path string, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-size)
	return io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
}

// lastCount reads the running counter, "sess=1 quit=1 mesg=2\r", at its last state.
func lastCount(log []byte) (int, error) {
	log = log[:bytes.LastIndexByte(log, '\r')+1]
	_, count, found := strings.Cut(string(log[max(0, bytes.LastIndex(log, []byte("sess="))):]), "mesg=")
	if !found {
		return 0, nil
	}
	return strconv.Atoi(strings.TrimSpace(count))
}

// Messages returns the messages kept so far, in no particular order. The sink
// must have been started with Keep, and nobody may be sending to it.
func (s *Sink) Messages() []SinkMessage {
	s.t.Helper()
	if s.mail == "" {
		s.t.Fatal("the sink was started without Keep")
	}
	entries, err := os.ReadDir(s.mail)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	out := make([]SinkMessage, 0, len(entries))
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(s.mail, e.Name()))
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := parseSinkMessage(text)
		if err != nil {
			s.t.Fatalf("message %s: %v", e.Name(), err)
		}
		out = append(out, m)
	}
	return out
}

// parseSinkMessage reads smtp-sink's form: the envelope as X- lines above the message.
func parseSinkMessage(text []byte) (SinkMessage, error) {
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return SinkMessage{}, err
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(m.Body); err != nil {
		return SinkMessage{}, err
	}
	from, _, _ := strings.Cut(m.Header.Get("X-Mail-Args"), " ") // parameters follow
	return SinkMessage{
		From:   from,
		To:     m.Header["X-Rcpt-Args"],
		Header: m.Header,
		Body:   body.Bytes(),
	}, nil
}
