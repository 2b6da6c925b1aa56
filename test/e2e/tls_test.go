package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// secure starts a school that speaks TLS.
func secure(t *testing.T, settings ...string) (*system.School, *system.Process, *testenv.Authority) {
	t.Helper()
	authority := testenv.NewAuthority(t)
	s := system.New(t, system.Parts{SMTP: system.NewMail(t).Addr(), Authority: authority, Settings: settings})
	serve := s.Serve() // says https://
	s.AwaitReady()
	return s, serve, authority
}

// newClient makes its own connections; version 1 or 2 of HTTP.
func newClient(t *testing.T, authority *testenv.Authority, version int) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, Protocols: &http.Protocols{}}
	tr.Protocols.SetHTTP1(version == 1)
	tr.Protocols.SetHTTP2(version == 2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	t.Run("serve accepts TLS 1.2 and later", testTLSServe)
	t.Run("a certificate is replaced while clients stream", testTLSCertificateReplaced)
	t.Run("workers use TLS for their metrics", testTLSWorkerMetrics)
	t.Run("pages of other origins can call the API", testTLSCrossOrigin)
}

func testTLSServe(t *testing.T) {
	t.Parallel()
	s, serve, authority := secure(t)
	addr := strings.TrimPrefix(s.URL, "https://")
	for _, version := range []int{1, 2} {
		resp, err := newClient(t, authority, version).Get(s.URL + "/livez")
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != 200 || resp.ProtoMajor != version {
			t.Errorf("HTTP/%d: answered %s %s", version, resp.Proto, resp.Status)
		}
	}
	for version, allowed := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: authority.Pool(), MinVersion: version, MaxVersion: version})
		if (err == nil) != allowed {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			must(t, conn.Close())
		}
	}
	resp, err := http.Get("http://" + addr + "/livez")
	must(t, err)
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != 400 || !strings.Contains(string(text), "HTTP request to an HTTPS server") {
		t.Errorf("an unencrypted request is answered with %s %q", resp.Status, text)
	}

	// Commands on this machine find the server and recognize its certificate.
	if r := s.Run([]string{"SCHOOLBELL_URL="}, "event", "list"); r.Code != 0 {
		t.Errorf("a command on this machine: code %d, %s", r.Code, r.Err)
	}
	s.Does("doctor", "--live")
	doctor := s.Run(nil, "doctor")
	for _, line := range []string{"certificate for 127.0.0.1 until ", s.URL + " is ready"} {
		if !strings.Contains(doctor.Out, line) {
			t.Errorf("doctor does not say %q:\n%s", line, doctor.Out)
		}
	}
	if config := s.Does("config", "--json"); !strings.Contains(config, `"PUBLIC_URL":{"value":"`+s.URL+`"`) {
		t.Errorf("PUBLIC_URL is not %s:\n%s", s.URL, config)
	}
	// Those elsewhere need the authority.
	if r := s.Run([]string{"SCHOOLBELL_URL=" + s.URL, "HTTP_ADDR=127.0.0.1:1"}, "event", "list"); r.Code != 1 || !strings.Contains(r.Err, "SSL_CERT_FILE") {
		t.Errorf("without the authority: code %d, %s", r.Code, r.Err)
	}
	if r := s.Run([]string{"SCHOOLBELL_URL=" + s.URL, "HTTP_ADDR=127.0.0.1:1", "SSL_CERT_FILE=" + authority.CAFile}, "event", "list"); r.Code != 0 {
		t.Errorf("with the authority: code %d, %s", r.Code, r.Err)
	}
	serve.Stop()
}

// stream is a live stream on one connection, which does not come back when it ends.
type stream struct {
	name  string
	lines *bufio.Scanner
}

// follow opens the inbox of a person.
func follow(t *testing.T, s *system.School, c *http.Client, name string) stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/users/"+system.Person(0)+"/inbox/stream", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+system.Key)
	resp, err := c.Do(req)
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %s", name, resp.Status)
	}
	return stream{name, bufio.NewScanner(resp.Body)}
}

// awaits reads until the item of the event arrives.
func (s stream) awaits(t *testing.T, event string) {
	t.Helper()
	for s.lines.Scan() {
		data, ok := strings.CutPrefix(s.lines.Text(), "data: ")
		var item struct {
			EventID string `json:"event_id"`
		}
		if ok && json.Unmarshal([]byte(data), &item) == nil && item.EventID == event {
			return
		}
	}
	t.Fatalf("%s ended before event %s: %v", s.name, event, s.lines.Err())
}

// replace writes other files over those of the server.
func replace(t *testing.T, s *system.School, cert, key string) {
	t.Helper()
	for from, to := range map[string]string{cert: s.Cert, key: s.Key} {
		text, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(to, text, 0o600))
	}
}

// serial is the number of the certificate that a new connection gets.
func serial(t *testing.T, s *system.School, authority *testenv.Authority) string {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{RootCAs: authority.Pool()})
	must(t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func testTLSCertificateReplaced(t *testing.T) {
	t.Parallel()
	s, serve, authority := secure(t)
	s.Import(1)
	streams := []stream{
		follow(t, s, newClient(t, authority, 1), "the stream over HTTP/1.1"),
		follow(t, s, newClient(t, authority, 2), "the stream over HTTP/2"),
	}
	alive := func() {
		t.Helper()
		event := s.Create().ID
		for _, st := range streams {
			st.awaits(t, event)
		}
	}
	alive()
	first := serial(t, s, authority)
	cert, key := authority.Issue("127.0.0.1")
	replace(t, s, cert, key)
	var second string
	testenv.Eventually(t, 30*time.Second, func() error {
		if second = serial(t, s, authority); second == first {
			return fmt.Errorf("it is the one before")
		}
		return nil
	}, "new connections get the new certificate")
	serve.Await("TLS certificate replaced")
	alive()

	must(t, os.WriteFile(s.Key, []byte("broken"), 0o600))
	serve.Await("TLS certificate cannot be replaced, the previous one stays in use")
	if got := serial(t, s, authority); got != second {
		t.Errorf("with a broken pair new connections get %s, want %s", got, second)
	}
	if r := s.Run(nil, "doctor"); r.Code != 1 || !strings.Contains(r.Out, "fail  TLS") {
		t.Errorf("doctor with a broken pair: code %d\n%s", r.Code, r.Out)
	}
	s.Does("doctor", "--live") // or a container would be ended for it
	alive()
	serve.Stop()
}

func testTLSWorkerMetrics(t *testing.T) {
	t.Parallel()
	authority := testenv.NewAuthority(t)
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	s := system.New(t, system.Parts{SMTP: system.NewMail(t).Addr(), Redis: testenv.Redis(t), Authority: authority, Settings: []string{"METRICS_ADDR=" + addr}})
	worker := s.Worker("one")
	worker.Await("Health and metrics at https://" + addr)
	resp, err := newClient(t, authority, 2).Get("https://" + addr + "/metrics")
	must(t, err)
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	if !strings.Contains(string(text), "schoolbell_tls_certificate_end_seconds ") {
		t.Errorf("the metrics lack the end of the certificate: %s %.300s", resp.Status, text)
	}
	// The health check of a container asks at HTTP_ADDR.
	if r := s.Run([]string{"HTTP_ADDR=" + addr}, "doctor", "--live"); r.Code != 0 {
		t.Errorf("doctor --live: %d %s", r.Code, r.Err)
	}
	worker.Stop()
}

// With pages of another origin over HTTP/2, as browsers speak it.
func testTLSCrossOrigin(t *testing.T) {
	t.Parallel()
	const page = "https://app.school.example"
	s, serve, authority := secure(t, "CORS_ORIGINS="+page)
	c := newClient(t, authority, 2)
	for method, want := range map[string]int{"OPTIONS": 204, "GET": 401} {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1/events", nil)
		must(t, err)
		req.Header.Set("Origin", page)
		if method == "OPTIONS" {
			req.Header.Set("Access-Control-Request-Method", "POST")
			req.Header.Set("Access-Control-Request-Headers", "authorization,idempotency-key")
		}
		resp, err := c.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != want || resp.Header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%s: %s %v", method, resp.Status, resp.Header)
		}
	}
	serve.Stop()
}
