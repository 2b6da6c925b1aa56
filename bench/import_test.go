package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// importFormats are the ways in which the same people are written.
var importFormats = []string{"ndjson", "csv"}

// importEngine is a ledger into which people are imported.
type importEngine struct {
	name  string
	goal  float64                                                  // new people per second
	dsn   func(srv *servers) string                                // of a new database, empty for SQLite
	limit func(b testing.TB, dir, dsn string) (took time.Duration) // of plain inserts of the same rows
}

var importEngines = []importEngine{
	{"PostgreSQL", 50_000, func(srv *servers) string { return srv.postgres.Database() }, copyLimit},
	{"SQLite", 60_000, func(*servers) string { return "" }, sqliteLimit},
}

// imported is what was measured while a file was imported.
type imported struct {
	people           int
	took             time.Duration
	server, database time.Duration // processor time
	peak             float64       // MB of serve at the most so far
}

func (r imported) rate() float64 { return float64(r.people) / r.took.Seconds() }

// importRuns are all measurements of one engine and format: of new people, of the same file
// again, and of plain inserts of the same rows.
type importRuns struct{ fresh, same, plain []imported }

// measureImport imports a school into new ledgers, and the same file again.
func measureImport(b *testing.B, srv *servers, out *report) {
	files := map[string]string{}
	for _, format := range importFormats {
		files[format] = schoolFile(b, format, *imports)
	}
	for _, engine := range importEngines {
		runs := map[string]*importRuns{"ndjson": {}, "csv": {}}
		for round := range *rounds {
			fmt.Fprintf(os.Stderr, "import into %s, round %d of %d", engine.name, round+1, *rounds)
			for i := range importFormats {
				format := importFormats[(i+round)%len(importFormats)]
				importTwice(b, srv, engine, files[format], *imports, runs[format])
			}
			fmt.Fprintln(os.Stderr)
		}
		for _, format := range importFormats {
			reportImports(out, engine, format, runs[format])
		}
	}
}

// reportImports adds the lines of one engine and format.
func reportImports(out *report, engine importEngine, format string, runs *importRuns) {
	of := func(list []imported, value func(imported) float64) float64 {
		values := make([]float64, len(list))
		for i, r := range list {
			values[i] = value(r)
		}
		return median(values)
	}
	server := func(r imported) float64 { return float64(r.server.Microseconds()) / float64(r.people) }
	database := func(r imported) float64 { return float64(r.database.Microseconds()) / float64(r.people) }
	what := fmt.Sprintf("import of %s people into %s, %s: ", count(runs.fresh[0].people), engine.name, strings.ToUpper(format))
	out.add(line{measure: what + "new, people/s", ours: of(runs.fresh, imported.rate), limit: of(runs.plain, imported.rate), goals: []goal{atLeast(engine.goal)}})
	out.add(line{measure: what + "– CPU of serve, µs/person", digits: 1, ours: of(runs.fresh, server)})
	if engine.name == "PostgreSQL" {
		out.add(line{measure: what + "– CPU of PostgreSQL, µs/person", digits: 1, ours: of(runs.fresh, database), limit: of(runs.plain, database), cost: true})
	}
	out.add(line{measure: what + "unchanged, people/s", ours: of(runs.same, imported.rate)})
	out.add(line{measure: what + "memory of serve, MB", ours: of(runs.same, func(r imported) float64 { return r.peak })})
}

// importTwice imports a file into a new ledger, imports it again, and then inserts the same rows plainly.
func importTwice(b testing.TB, srv *servers, engine importEngine, file string, people int, runs *importRuns) {
	b.Helper()
	srv.empty(b)
	dir, dsn := b.TempDir(), engine.dsn(srv)
	addr := "127.0.0.1:" + strconv.Itoa(testenv.FreePort(b))
	env := append(srv.redisEnv(b), "DATABASE_URL="+dsn, "DATA_DIR="+dir, "HTTP_ADDR="+addr, "SCHOOLBELL_API_KEY="+apiKey, "LOG_LEVEL=warn")
	serve := testenv.StartProgram(b, testenv.ProgramOptions{Dir: dir, Env: env}, testenv.Binary(b), "serve")
	serve.Await(" serves http")
	cpu := func() (server, database time.Duration) {
		return usageOf(b, serve.PID()).cpu, testenv.CPUTime(b, srv.postgres.PID())
	}
	for _, list := range []*[]imported{&runs.fresh, &runs.same} {
		server, database := cpu()
		r := imported{people: people, took: runImport(b, addr, file, people, list == &runs.fresh)}
		r.server, r.database = cpu()
		r.server, r.database, r.peak = r.server-server, r.database-database, usageOf(b, serve.PID()).peak
		*list = append(*list, r)
		fmt.Fprintf(os.Stderr, ", %s %s s", filepath.Ext(file), seconds(r.took))
	}
	serve.Stop()
	r, database := imported{people: people}, testenv.CPUTime(b, srv.postgres.PID())
	r.took = engine.limit(b, dir, dsn)
	r.database = testenv.CPUTime(b, srv.postgres.PID()) - database
	runs.plain = append(runs.plain, r)
}

// runImport imports a file by the program's own command.
func runImport(b testing.TB, addr, file string, people int, fresh bool) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), testenv.Binary(b), "user", "import", file, "--json", "--url", "http://"+addr)
	cmd.Env = append(os.Environ(), "SCHOOLBELL_API_KEY="+apiKey)
	cmd.Dir, cmd.Stderr = b.TempDir(), os.Stderr
	start := time.Now()
	answer, err := cmd.Output()
	took := time.Since(start)
	var report wire.ImportReport
	if err == nil {
		err = json.Unmarshal(answer, &report)
	}
	done := report.Updated
	if fresh {
		done = report.Imported
	}
	if err != nil || done != people || len(report.Errors) > 0 {
		b.Fatalf("import %s: %v, %s", file, err, answer)
	}
	return took
}

func TestImports(t *testing.T) {
	t.Parallel()
	srv := startServers(t)
	const people = 3_000
	for _, engine := range importEngines {
		for _, format := range importFormats {
			var runs importRuns
			importTwice(t, srv, engine, schoolFile(t, format, people), people, &runs)
			var out report
			reportImports(&out, engine, format, &runs)
			for _, l := range out.lines {
				if l.ours <= 0 {
					t.Errorf("%s is %v", l.measure, l.ours)
				}
			}
			if plain := runs.plain[0]; plain.rate() <= 0 {
				t.Errorf("%s: plain inserts were not measured", engine.name)
			}
		}
	}
}
