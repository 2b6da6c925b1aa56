package cli_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

const pprofLine = `Profiles at (http://\S+)$`

func TestPprof(t *testing.T) {
	t.Parallel()
	t.Run("serve and worker serve profiles", testPprofBoth)
	t.Run("nothing is served by default", testPprofOff)
	t.Run("a profile in progress ends with the process", testPprofStop)
	t.Run("an address that other machines reach is refused", testPprofRemote)
	t.Run("requests for another host are refused", testPprofForeignHost)
	t.Run("an address in use is named", testPprofAddressInUse)
}

func testPprofBoth(t *testing.T) {
	t.Parallel()
	env := bare("DATA_DIR="+t.TempDir(), "REDIS_URL=redis://"+testenv.Redis(t), catchAll, "PPROF_ADDR=127.0.0.1:0")
	for command, up := range map[string]string{"serve": urlLine, "worker": "waits for jobs"} {
		r := spawn(t, env, command)
		profiles := r.says(pprofLine)
		r.says(up)
		for path, want := range map[string]int{"": 200, "heap": 200, "goroutine?debug=1": 200, "profile?seconds=1": 200, "trace?seconds=0.1": 200, "cmdline": 404} {
			if got := statusOf(t, profiles+path); got != want {
				t.Errorf("%s: %s answers %d, want %d", command, path, got, want)
			}
		}
		r.ends()
		if resp, err := http.Get(profiles); err == nil {
			t.Errorf("%s has ended, its profiles answer %s", command, resp.Status)
			_ = resp.Body.Close()
		}
	}
}

func testPprofOff(t *testing.T) {
	t.Parallel()
	r := inProcess(t, bare("DATA_DIR="+t.TempDir()), "serve")
	if got := statusOf(t, r.says(urlLine)+"/debug/pprof/heap"); got != http.StatusNotFound {
		t.Errorf("HTTP_ADDR answers %d to a request for a profile", got)
	}
	r.ends()
}

// A profile of unlimited length is how the whole life of a process is measured.
func testPprofStop(t *testing.T) {
	t.Parallel()
	r := spawn(t, bare("DATA_DIR="+t.TempDir(), "PPROF_ADDR=127.0.0.1:0"), "serve")
	profiles := r.says(pprofLine)
	r.says(urlLine)
	fetched := make(chan error, 1)
	go func() { fetched <- readProfile(profiles + "profile?seconds=3600") }()
	testenv.Eventually(t, patience, func() bool { return strings.Contains(bodyOf(t, profiles+"goroutine?debug=2"), "pprof.Profile") }, "the profile begins")
	r.ends()
	if err := <-fetched; err != nil {
		t.Errorf("the profile that was in progress: %v", err)
	}
}

func bodyOf(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readProfile gets a profile, which is compressed, and reports whether it is complete.
func readProfile(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	if n, err := io.Copy(io.Discard, z); err != nil || n == 0 {
		return fmt.Errorf("%d bytes, %w", n, err)
	}
	return nil
}

func testPprofRemote(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:6060", "profiles.example:6060"} {
		r := inProcess(t, bare("DATA_DIR="+t.TempDir(), "PPROF_ADDR="+addr), "serve")
		r.says("PPROF_ADDR.*PPROF_REMOTE=true")
		r.exits(2)
	}
	r := inProcess(t, bare("DATA_DIR="+t.TempDir(), "PPROF_ADDR=0.0.0.0:0", "PPROF_REMOTE=true"), "serve")
	profiles := r.says(pprofLine)
	if got := hostStatus(t, profiles+"heap", "school.example"); got != http.StatusOK {
		t.Errorf("with PPROF_REMOTE another machine is answered %d", got)
	}
	r.says(urlLine)
	r.ends()
}

// A web page may reach this machine under a name of its own (DNS rebinding).
func testPprofForeignHost(t *testing.T) {
	t.Parallel()
	r := inProcess(t, bare("DATA_DIR="+t.TempDir(), "PPROF_ADDR=localhost:0"), "serve")
	profiles := r.says(pprofLine)
	for host, want := range map[string]int{"attacker.example": 403, "attacker.example:6060": 403, "localhost:6060": 200, "127.0.0.1": 200, "[::1]:6060": 200} {
		if got := hostStatus(t, profiles+"heap", host); got != want {
			t.Errorf("a request for host %s is answered %d, want %d", host, got, want)
		}
	}
	r.says(urlLine)
	r.ends()
}

// hostStatus is the status of the answer to a request that names another host.
func hostStatus(t *testing.T, url, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func testPprofAddressInUse(t *testing.T) {
	t.Parallel()
	first := inProcess(t, bare("DATA_DIR="+t.TempDir(), "PPROF_ADDR=127.0.0.1:0"), "serve")
	addr := first.says(`Profiles at http://(\S+?)/`)
	first.says(urlLine)
	for _, command := range []string{"serve", "worker"} {
		r := inProcess(t, bare("DATA_DIR="+t.TempDir(), "REDIS_URL=redis://"+testenv.Redis(t), catchAll, "PPROF_ADDR="+addr), command)
		r.says("cannot listen on " + addr)
		r.says("set PPROF_ADDR to another address")
		r.exits(1)
	}
	first.ends()
}
