package cli_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

func TestServeTLS(t *testing.T) {
	t.Parallel()
	t.Run("doctor checks the certificate", testServeTLSDoctor)
	t.Run("serve does not start without a usable certificate", testServeTLSUnusable)
	t.Run("commands trust only the certificate of the local server", testServeTLSLocalServer)
}

func testServeTLSDoctor(t *testing.T) {
	t.Parallel()
	authority := testenv.NewAuthority(t)
	const day = 24 * time.Hour
	issue := func(from, valid time.Duration, mode os.FileMode) []string {
		cert, key := authority.IssueFor(time.Now().Add(from), valid, "bell.school.example", "192.0.2.7")
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		return []string{"TLS_CERT=" + cert, "TLS_KEY=" + key}
	}
	good := issue(-day, 90*day, 0o640)
	for name, c := range map[string]struct {
		env  []string
		code int
		says string
	}{
		"good":                        {good, 0, `^ok +TLS +certificate for bell\.school\.example, 192\.0\.2\.7 until \d{4}-\d\d-\d\d$`},
		"ends soon":                   {issue(-day, 10*day, 0o600), 0, `^warn +TLS +the certificate for .* expires on `},
		"expired":                     {issue(-20*day, 10*day, 0o600), 1, `^fail +TLS +the certificate expired on `},
		"not valid yet":               {issue(day, 10*day, 0o600), 1, `^fail +TLS +the certificate is not valid before `},
		"key of another":              {append(good[:1:1], issue(-day, 90*day, 0o600)[1]), 1, `^fail +TLS +private key does not match public key`},
		"no key there":                {append(good[:1:1], "TLS_KEY=/gone"), 1, `^fail +TLS +key: open /gone`},
		"key that everybody may read": {issue(-day, 90*day, 0o644), 0, `→ chmod o-rwx `},
		"for another name":            {append(good[:2:2], "PUBLIC_URL=https://other.example"), 0, `^warn +TLS +the certificate is for .* and PUBLIC_URL is https://other\.example`},
		"one setting alone":           {good[:1], 1, `^fail +settings +TLS_KEY: must be set together with TLS_CERT`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := bare(append([]string{"DATA_DIR=" + t.TempDir(), fmt.Sprintf("HTTP_ADDR=127.0.0.1:%d", testenv.FreePort(t))}, c.env...)...)
			d := inProcess(t, env, "doctor")
			d.exits(c.code)
			d.says(c.says)
		})
	}
}

func testServeTLSUnusable(t *testing.T) {
	t.Parallel()
	cert, _ := testenv.NewAuthority(t).Issue("127.0.0.1")
	serve := inProcess(t, bare("DATA_DIR="+t.TempDir(), "HTTP_ADDR=127.0.0.1:0", "TLS_CERT="+cert, "TLS_KEY="+cert), "serve")
	serve.exits(1)
	serve.says("TLS_CERT and TLS_KEY cannot be used: found a certificate rather than a key")
	serve.says("→ run: schoolbell doctor")
}

// The certificate need not name the address under which this machine reaches the server,
// and another server at that address is not trusted.
func testServeTLSLocalServer(t *testing.T) {
	t.Parallel()
	authority := testenv.NewAuthority(t)
	cert, key := authority.Issue("bell.school.example")
	other, otherKey := authority.Issue("bell.school.example")
	const apiKey = "SCHOOLBELL_API_KEY=a-key-for-tests-of-tls-only"
	addr := fmt.Sprintf("HTTP_ADDR=127.0.0.1:%d", testenv.FreePort(t))
	serve := inProcess(t, bare("DATA_DIR="+t.TempDir(), addr, apiKey, "TLS_CERT="+cert, "TLS_KEY="+key), "serve")
	serve.says("serves https://127.0.0.1:")
	list := inProcess(t, bare(addr, apiKey, "TLS_CERT="+cert), "event", "list")
	list.exits(0)
	live := inProcess(t, bare("DATA_DIR="+t.TempDir(), addr, "TLS_CERT="+other, "TLS_KEY="+otherKey), "doctor", "--live")
	live.exits(0)
	list = inProcess(t, bare(addr, apiKey, "TLS_CERT="+other), "event", "list")
	list.exits(1)
	list.says("the server has another certificate than TLS_CERT")
	doctor := inProcess(t, bare("DATA_DIR="+t.TempDir(), addr, "TLS_CERT="+other, "TLS_KEY="+otherKey), "doctor")
	doctor.says(`^warn +API +https://127\.0\.0\.1:\d+: the server has another certificate than TLS_CERT`)
	unnamed := inProcess(t, bare(addr, apiKey, "TLS_CERT=/gone"), "event", "list")
	unnamed.exits(1)
	unnamed.says("set SSL_CERT_FILE")
	serve.ends()
}
