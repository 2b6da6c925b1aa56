package certificate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"schoolbell/internal/certificate"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// buffer is a log that is read while it may be written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// put writes the content of files into others, one after the other.
func put(t *testing.T, to certificate.Files, cert, key string) {
	t.Helper()
	for from, to := range map[string]string{cert: to.Cert, key: to.Key} {
		text, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(to, text, 0o600))
	}
}

// served is the serial number of the certificate that a new connection gets.
func served(t *testing.T, s *certificate.Server) string {
	t.Helper()
	pair, err := s.Config().GetCertificate(&tls.ClientHelloInfo{})
	must(t, err)
	return pair.Leaf.SerialNumber.String()
}

func serial(t *testing.T, cert, key string) string {
	t.Helper()
	pair, err := certificate.Files{Cert: cert, Key: key}.Load()
	must(t, err)
	return pair.Leaf.SerialNumber.String()
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	t.Run("changed files are reloaded", testCertificateReload)
	t.Run("an unusable pair of files is reported", testCertificateUnusablePair)
	t.Run("a pinned certificate is accepted under any name", testCertificatePinned)
}

func testCertificateReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority, dir := testenv.NewAuthority(t), t.TempDir()
		issue := func(from, valid time.Duration) (cert, key string) {
			<-time.After(time.Nanosecond) // for another serial number
			return authority.IssueFor(time.Now().Add(from), valid, "bell.school.example")
		}
		const year = 365 * 24 * time.Hour
		cert1, key1 := issue(-time.Hour, certificate.Soon+3*time.Hour)
		cert2, key2 := issue(-time.Hour, year)
		files := certificate.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
		put(t, files, cert1, key1)
		var log buffer
		s, err := certificate.Open(files, slog.New(slog.NewTextHandler(&log, nil)))
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		defer func() { cancel(); must(t, <-done) }()

		// look lets the server look at the files so often, and expects a certificate and log lines.
		look := func(times int, what, want string, lines ...string) {
			t.Helper()
			<-time.After(time.Duration(times) * certificate.Look)
			synctest.Wait()
			if got := served(t, s); got != want {
				t.Errorf("%s: certificate %s, want %s", what, got, want)
			}
			got := strings.Count(log.String(), "\n")
			for _, line := range lines {
				if !strings.Contains(log.String(), line) {
					t.Errorf("%s: the log lacks %q: %s", what, line, &log)
				}
			}
			if got != len(lines) {
				t.Errorf("%s: %d log lines, want %d: %s", what, got, len(lines), &log)
			}
			log.Reset()
		}
		first, second := serial(t, cert1, key1), serial(t, cert2, key2)
		look(3, "nothing has changed", first)
		put(t, certificate.Files{Cert: files.Cert, Key: filepath.Join(dir, "unused")}, cert2, key2)
		look(1, "only the certificate is new", first)
		put(t, files, cert2, key2)
		look(1, "the key too", second, `level=INFO msg="TLS certificate replaced" names=bell.school.example`)

		must(t, os.WriteFile(files.Key, []byte("no key"), 0o600))
		look(1, "the key is broken", second)
		look(5, "and stays broken", second, "level=WARN msg=\"TLS certificate cannot be replaced, the previous one stays in use\"")
		must(t, os.Remove(files.Key))
		look(5, "the key is gone", second, "no such file")
		put(t, files, cert2, key2)
		look(1, "the pair is back", second)

		late1, late2 := issue(time.Minute, year)
		put(t, files, late1, late2)
		look(3, "not valid yet", second, "not valid before")
		<-time.After(2 * time.Minute)
		synctest.Wait()
		look(1, "valid", serial(t, late1, late2), "TLS certificate replaced")
		old1, old2 := issue(-year, year-time.Hour)
		put(t, files, old1, old2)
		look(3, "expired", serial(t, late1, late2), "the certificate expired on")
		put(t, files, cert1, key1)
		look(1, "the first one again", first, "TLS certificate replaced")

		<-time.After(27 * time.Hour) // an hour passes before it ends soon
		synctest.Wait()
		if n := strings.Count(log.String(), "TLS certificate expires soon"); n != 2 {
			t.Errorf("%d warnings within a day and two hours, want one a day: %s", n, &log)
		}
	})
}

func testCertificateUnusablePair(t *testing.T) {
	t.Parallel()
	authority := testenv.NewAuthority(t)
	cert, key := authority.Issue("127.0.0.1")
	_, otherKey := authority.Issue("127.0.0.1")
	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	for name, c := range map[string]struct{ cert, key, says string }{
		"no certificate":           {filepath.Join(t.TempDir(), "gone"), key, "certificate: open "},
		"no key":                   {cert, filepath.Join(t.TempDir(), "gone"), "key: open "},
		"an empty certificate":     {empty, key, "failed to find any PEM data in certificate"},
		"the key of another":       {cert, otherKey, "private key does not match public key"},
		"the two are mixed up":     {key, cert, "failed to find certificate PEM data"},
		"the certificate as a key": {cert, cert, "found a certificate rather than a key"},
	} {
		_, err := certificate.Open(certificate.Files{Cert: c.cert, Key: c.key}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func testCertificatePinned(t *testing.T) {
	t.Parallel()
	authority := testenv.NewAuthority(t)
	cert, key := authority.Issue("bell.school.example")
	other, _ := authority.Issue("127.0.0.1")
	s, err := certificate.Open(certificate.Files{Cert: cert, Key: key}, slog.New(slog.DiscardHandler))
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			server := tls.Server(conn, s.Config())
			_, _ = io.Copy(io.Discard, server) // until the client leaves
			_ = server.Close()
		}
	}()
	for file, want := range map[string]error{cert: nil, other: certificate.ErrOther} {
		conf, err := certificate.Pinned(file)
		must(t, err)
		conn, err := tls.Dial("tcp", ln.Addr().String(), conf)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", file, err, want)
		}
		if err == nil {
			must(t, conn.Close())
		}
	}
	if _, err := certificate.Pinned(key); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a key in place of a certificate: %v", err)
	}
}
