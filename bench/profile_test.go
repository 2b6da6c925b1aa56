package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"schoolbell/internal/testenv"
)

// BenchmarkProfile sends one event to everybody, writes CPU and heap profiles of serve and
// the worker to the folder -profiles, and prints the functions that used the most.
func BenchmarkProfile(b *testing.B) {
	if *profiles == "" {
		b.Skip("-profiles names no folder")
	}
	start := map[string]starter{"plain": startNoted, "personal": startPersonal}[*kind]
	if start == nil {
		b.Fatalf("-kind %q: plain or personal", *kind)
	}
	r, files := profileRun(b, *profiles, *some, start)
	fmt.Printf("\nOne event to %s people, in-app and by email: %s s, created in %s s. CPU in µs per person: serve %.1f, worker %.1f, PostgreSQL %.1f, Redis %.1f, mail sink %.1f.\n",
		count(r.people), seconds(r.took), seconds(r.post), r.perPerson(r.cost.server), r.perPerson(r.cost.workers), r.perPerson(r.cost.postgres), r.perPerson(r.cost.redis), r.perPerson(r.cost.sink))
	for _, f := range files {
		fmt.Printf("\n%s\n%s", f, topFunctions(b, f, 15))
	}
	fmt.Printf("\nOpen a profile in a browser, with flame graph and source: go tool pprof -http=: %s\n", files[2])
	fmt.Printf("Memory that is in use instead of all that was allocated: -sample_index=inuse_space\n\n")
	b.ReportMetric(0, "ns/op") // the time of the whole program says nothing
}

// profileRun returns the measurements and the files, CPU and heap of each process.
func profileRun(b testing.TB, folder string, people int, start starter) (r run, files []string) {
	b.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.Fatal(err)
	}
	srv := startServers(b)
	s := start(b, srv, setup{people: people, workers: 1, sink: testenv.SMTPSink(b), env: []string{"PPROF_ADDR=127.0.0.1:0"}})
	processes := map[string]string{"serve": profilesAt(b, s.server), "worker": profilesAt(b, s.workers[0])}
	var cpu errgroup.Group
	for _, name := range []string{"serve", "worker"} {
		url, file := processes[name], filepath.Join(folder, name+".cpu.pprof")
		files = append(files, file, filepath.Join(folder, name+".heap.pprof"))
		cpu.Go(func() error { return fetch(b.Context(), url+"profile?seconds=86400", file) }) // ends with the process
		testenv.Eventually(b, patience, func() bool { return profiling(b, url) }, "the profile of %s begins", name)
	}
	r = s.reach(b, srv, audience{})
	for name, url := range processes {
		if err := fetch(b.Context(), url+"heap", filepath.Join(folder, name+".heap.pprof")); err != nil {
			b.Fatal(err)
		}
	}
	s.stop()
	if err := cpu.Wait(); err != nil {
		b.Fatal(err)
	}
	return r, files
}

// profilesAt is the URL that a process has printed, see PPROF_ADDR.
func profilesAt(b testing.TB, p *testenv.Program) string {
	b.Helper()
	found := regexp.MustCompile(`Profiles at (http://\S+)`).FindStringSubmatch(p.Output())
	if found == nil {
		b.Fatalf("no profiles are served:\n%s", p.Output())
	}
	return found[1]
}

// profiling reports whether a CPU profile is in progress.
func profiling(b testing.TB, url string) bool {
	b.Helper()
	resp, err := http.Get(url + "goroutine?debug=2")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return strings.Contains(string(text), "pprof.Profile")
}

// fetch writes a page to a file.
func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %v", url, resp.Status, err)
	}
	return os.WriteFile(file, content, 0o644)
}

// topFunctions is what go tool pprof says of a profile: of a heap profile, all that was allocated.
func topFunctions(b testing.TB, file string, n int) string {
	b.Helper()
	args := []string{"tool", "pprof", "-top", fmt.Sprintf("-nodecount=%d", n)}
	if strings.HasSuffix(file, ".heap.pprof") {
		args = append(args, "-sample_index=alloc_space")
	}
	cmd := exec.CommandContext(b.Context(), "go", append(args, file)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("go tool pprof: %v\n%s", err, out)
	}
	return string(out)
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	r, files := profileRun(t, filepath.Join(t.TempDir(), "profiles"), 300, startPersonal)
	if r.people != 300 || len(files) != 4 {
		t.Errorf("%d people, files %q", r.people, files)
	}
	for _, f := range files {
		if top := topFunctions(t, f, 5); !strings.Contains(top, "flat%") {
			t.Errorf("%s: %s", f, top)
		}
	}
}
