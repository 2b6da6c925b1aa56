package publicdial

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700:4700::1111": true, "::ffff:8.8.8.8": true, "172.32.0.1": true, "100.128.0.1": true,
		"2a00:1450:4001:80b::200a": true, "192.0.1.1": true, "168.63.129.17": true, "2001:200::1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false, "100.100.100.200": false, "127.0.0.1": false,
		"127.255.255.254": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.8": false,
		"192.0.2.1": false, "192.88.99.1": false, "192.168.1.1": false, "198.18.0.1": false, "198.19.255.255": false,
		"198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false,
		"255.255.255.255": false, "168.63.129.16": false,
		"::": false, "::1": false, "::127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:127.0.0.1": false,
		"::ffff:169.254.169.254": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:0:4136:e378:8000:63bf:3fff:fdd2": false, "2001:db8::1": false, "2002:7f00:1::": false,
		"3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%lo": false,
		"::1%lo": false, "fec0::1": false, "ff02::1": false,
	} {
		err := New(nil).Check(netip.MustParseAddr(text))
		if (err == nil) != want || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want public %v", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("the error tells the address %s: %v", text, err)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	g := New(networks("127.0.0.0/8", "fd00::/8"))
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "fd00::1": true, "fd00::1%eth0": true, "8.8.8.8": true,
		"::1": false, "10.0.0.1": false, "fc00::1": false, "::7f00:1": false,
	} {
		if err := g.Check(netip.MustParseAddr(text)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", text, err, want)
		}
	}
}

// get requests a URL and returns the answer's text.
func get(t *testing.T, client *http.Client, address string) (string, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(t.Context()))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.Status + " " + string(body), err
}

// server is a server on loopback. It counts connections.
func server(t *testing.T, secure bool) (s *httptest.Server, connections func() int) {
	t.Helper()
	met := make(chan struct{}, 100)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			met <- struct{}{}
		}
	}
	s.EnableHTTP2 = true
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, func() int { return len(met) }
}

func client(t *testing.T, g *Guard, trust *httptest.Server) *http.Client {
	t.Helper()
	c := g.NewClient(2)
	t.Cleanup(c.CloseIdleConnections)
	if trust != nil && trust.Certificate() != nil {
		pool := x509.NewCertPool()
		pool.AddCert(trust.Certificate())
		base := c.Transport.(*transport).Transport
		base.TLSClientConfig = trust.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		base.TLSClientConfig.RootCAs = pool
	}
	return c
}

func TestClient(t *testing.T) {
	t.Parallel()
	t.Run("an allowed server is reached with and without TLS", clientReaches)
	t.Run("loopback is refused before anything is sent", clientRefuses)
	t.Run("URLs that are not plain https are refused", clientURLs)
	t.Run("a redirect is not followed", clientRedirect)
	t.Run("names are checked by what they lead to", clientNames)
	t.Run("http needs an allowed network", clientPlain)
	t.Run("proxies of the environment are ignored", clientProxy)
}

func clientReaches(t *testing.T) {
	t.Parallel()
	secure, _ := server(t, true)
	if got, err := get(t, client(t, New(networks("127.0.0.1/32")), secure), secure.URL); err != nil || got != "200 OK HTTP/2.0" {
		t.Errorf("https: %q, %v", got, err)
	}
	open, _ := server(t, false)
	if got, err := get(t, client(t, New(networks("127.0.0.1/32")), nil), open.URL); err != nil || got != "200 OK HTTP/1.1" {
		t.Errorf("http: %q, %v", got, err)
	}
}

func clientRefuses(t *testing.T) {
	t.Parallel()
	secure, connections := server(t, true)
	port := secure.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "[::1]", "0.0.0.0", "[::]", "[::127.0.0.1]", "[fe80::1%25lo]", "169.254.169.254", "[64:ff9b::7f00:1]"} {
		u := "https://" + netAddress(host, port)
		if got, err := get(t, client(t, New(nil), secure), u); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %q, %v", u, got, err)
		}
	}
	if n := connections(); n > 0 {
		t.Errorf("the server saw %d connections", n)
	}
}

func netAddress(host string, port uint16) string {
	return host + netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0"):]
}

func clientURLs(t *testing.T) {
	t.Parallel()
	c := client(t, New(networks("127.0.0.0/8")), nil)
	for _, u := range []string{"ftp://127.0.0.1/", "https://user@127.0.0.1/", "https://user:pw@127.0.0.1/", "https:///path", "file:///etc/passwd"} {
		if got, err := get(t, c, u); err == nil {
			t.Errorf("%s: %q", u, got)
		}
	}
}

func clientRedirect(t *testing.T) {
	t.Parallel()
	secure, _ := server(t, true)
	got, err := get(t, client(t, New(networks("127.0.0.1/32")), secure), secure.URL+"/away")
	if err != nil || !strings.HasPrefix(got, "302 ") {
		t.Errorf("%q, %v", got, err)
	}
}

// names is a DNS server that answers every question for an IPv4 address with one of its addresses, the next each time.
func names(t *testing.T, addrs ...string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		question := make([]byte, 512)
		for asked := 0; ; {
			n, from, err := socket.ReadFrom(question)
			if err != nil {
				return
			}
			const header, ipv4 = 12, 1
			end := header + bytes.IndexByte(question[header:n], 0) + 5 // of the question: name, type, class
			reply := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[header:end]...)
			if question[end-3] == ipv4 {
				reply[7] = 1
				reply = append(reply, 0xc0, header, 0, ipv4, 0, 1, 0, 0, 0, 0, 0, 4)
				reply = append(reply, netip.MustParseAddr(addrs[min(asked, len(addrs)-1)]).AsSlice()...)
				asked++
			}
			_, _ = socket.WriteTo(reply, from)
		}
	})
	t.Cleanup(func() { _ = socket.Close(); serving.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func clientNames(t *testing.T) {
	t.Parallel()
	secure, connections := server(t, true)
	_, port, err := net.SplitHostPort(secure.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	g := New(networks("127.0.0.2/32"))
	g.dialer.Resolver = names(t, "127.0.0.1", "169.254.169.254", "10.0.0.1")
	for _, name := range []string{"public.example.", "push.example.", "rebound.example."} {
		if _, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort(name, port)); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := connections(); n > 0 {
		t.Errorf("the server saw %d connections", n)
	}
	// What a name leads to is looked up for each connection: an allowed address first, and then another.
	g = New(networks("127.0.0.1/32"))
	g.dialer.Resolver = names(t, "127.0.0.1", "10.0.0.1")
	conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort("rebinding.example.", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort("rebinding.example.", port)); !errors.Is(err, ErrRefused) {
		t.Errorf("the second connection: %v", err)
	}
}

func clientPlain(t *testing.T) {
	t.Parallel()
	g := New(nil)
	plain := context.WithValue(t.Context(), plainKey{}, true)
	if err := g.control(plain, "tcp4", "8.8.8.8:80", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("http to a public address: %v", err)
	}
	if err := g.control(t.Context(), "tcp4", "8.8.8.8:443", nil); err != nil {
		t.Errorf("https to a public address: %v", err)
	}
	if err := g.control(t.Context(), "tcp4", "what:443", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("no address: %v", err)
	}
}

func clientProxy(t *testing.T) {
	t.Parallel()
	if New(nil).NewClient(1).Transport.(*transport).Proxy != nil {
		t.Error("the client would use a proxy")
	}
}
