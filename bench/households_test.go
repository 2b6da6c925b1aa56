package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/testenv"
	"schoolbell/wire"
)

// householdKind is a school whose people have addresses of their own, or one for two of them, and how it treats them.
type householdKind struct {
	shared, merged bool
}

// householdRuns are what was measured of one kind and engine.
type householdRuns struct{ imported, sent []imported }

// measureHouseholds imports people and sends all of them an urgent email, which greets nobody, with HOUSEHOLDS on and off. One
// process does everything; only the mail server and PostgreSQL are others.
func measureHouseholds(b *testing.B, srv *servers, out *report) {
	n := sizeUpTo(b, pairFrom)
	kinds := []householdKind{{false, false}, {false, true}, {true, false}, {true, true}}
	for _, engine := range importEngines {
		runs := map[householdKind]*householdRuns{}
		for round := range *rounds {
			fmt.Fprintf(os.Stderr, "households on %s, round %d of %d", engine.name, round+1, *rounds)
			for i := range kinds {
				kind := kinds[(i+round)%len(kinds)]
				if runs[kind] == nil {
					runs[kind] = &householdRuns{}
				}
				reachHouseholds(b, srv, engine, kind, n, runs[kind])
			}
			fmt.Fprintln(os.Stderr)
		}
		reportHouseholds(out, engine.name, n, runs)
	}
}

// reachHouseholds imports people into a new ledger and sends them an event.
func reachHouseholds(b testing.TB, srv *servers, engine importEngine, kind householdKind, people int, runs *householdRuns) {
	b.Helper()
	dir, sink, addr := b.TempDir(), testenv.SMTPSink(b), "127.0.0.1:"+strconv.Itoa(testenv.FreePort(b))
	env := []string{"DATABASE_URL=" + engine.dsn(srv), "DATA_DIR=" + dir, "HTTP_ADDR=" + addr, "SCHOOLBELL_API_KEY=" + apiKey, "LOG_LEVEL=warn", "RATE_LIMIT_MAX=0",
		"SMTP_HOST=" + sink.Host, "SMTP_PORT=" + strconv.Itoa(sink.Port), "SMTP_TLS=none", "EMAIL_FROM=Hill School <office@hill.example>", fmt.Sprintf("HOUSEHOLDS=%t", kind.merged)}
	serve := testenv.StartProgram(b, testenv.ProgramOptions{Dir: dir, Env: env}, testenv.Binary(b), "serve")
	defer serve.Stop()
	serve.Await(" serves http")
	measured := func(work func() time.Duration) imported {
		r := imported{people: people, server: usageOf(b, serve.PID()).cpu, database: testenv.CPUTime(b, srv.postgres.PID())}
		r.took = work()
		r.server, r.database = usageOf(b, serve.PID()).cpu-r.server, testenv.CPUTime(b, srv.postgres.PID())-r.database
		return r
	}
	file := householdFile(b, people, kind.shared)
	runs.imported = append(runs.imported, measured(func() time.Duration { return runImport(b, addr, file, people, true) }))
	emails := people
	if kind.shared && kind.merged {
		emails = (people + 1) / 2
	}
	runs.sent = append(runs.sent, measured(func() time.Duration { return sendUrgent(b, "http://"+addr, sink, emails) }))
	fmt.Fprintf(os.Stderr, ", %s s", seconds(runs.sent[len(runs.sent)-1].took))
}

// householdFile writes parents, each with an address or two with one, in another order than that of their households.
func householdFile(b testing.TB, people int, shared bool) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "parents.ndjson")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	enc := json.NewEncoder(file)
	for n := range people {
		u := schoolbell.User{ID: userID(n), Name: fmt.Sprintf("Person %d", n), Email: address(n), Roles: []schoolbell.Role{schoolbell.RoleParent}}
		if shared {
			u.Email = address(n % ((people + 1) / 2))
		}
		if err := enc.Encode(u); err != nil {
			b.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// sendUrgent sends everybody an urgent email and returns how long it took until the event was completed.
func sendUrgent(b testing.TB, url string, sink *testenv.Sink, emails int) time.Duration {
	b.Helper()
	c, err := client.New(client.Config{URL: url, Key: apiKey, HTTPClient: httpClient})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	ev, err := c.CreateEvent(b.Context(), wire.NewEvent{Title: title, Body: body, Category: schoolbell.CategoryUrgent, Channels: []schoolbell.Channel{schoolbell.ChannelEmail},
		Audience: schoolbell.Audience{Selector: schoolbell.Selector{Roles: []schoolbell.Role{schoolbell.RoleParent}}}})
	if err != nil {
		b.Fatal(err)
	}
	for _, err := range c.WatchEvent(b.Context(), ev.ID) {
		if err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	if got := sink.Count(); got != emails {
		b.Errorf("%d emails, want %d", got, emails)
	}
	return took
}

// reportHouseholds adds the lines of one engine.
func reportHouseholds(out *report, engine string, people int, runs map[householdKind]*householdRuns) {
	cpu := func(list []imported) float64 {
		values := make([]float64, len(list))
		for i, r := range list {
			values[i] = float64((r.server + r.database).Microseconds()) / float64(r.people)
		}
		return median(values)
	}
	took := func(list []imported) float64 {
		values := make([]float64, len(list))
		for i, r := range list {
			values[i] = r.took.Seconds()
		}
		return median(values)
	}
	what := fmt.Sprintf("households of %s people on %s: ", count(people), engine)
	own, merged, shared, both := runs[householdKind{}], runs[householdKind{merged: true}], runs[householdKind{shared: true}], runs[householdKind{true, true}]
	out.add(line{measure: what + "import, own addresses, CPU, µs/person", digits: 1, ours: cpu(append(own.imported, merged.imported...))})
	out.add(line{measure: what + "– two with one address, share of that", digits: 2, ours: cpu(append(shared.imported, both.imported...)) / cpu(append(own.imported, merged.imported...))})
	out.add(line{measure: what + "sending, own addresses, CPU, µs/person", digits: 1, ours: cpu(merged.sent)})
	out.add(line{measure: what + "– share of that with HOUSEHOLDS=false", digits: 2, ours: cpu(merged.sent) / cpu(own.sent)})
	out.add(line{measure: what + "sending, two with one address, CPU, µs/person", digits: 1, ours: cpu(both.sent)})
	out.add(line{measure: what + "– share of that with HOUSEHOLDS=false", digits: 2, ours: cpu(both.sent) / cpu(shared.sent)})
	out.add(line{measure: what + "– time, share of that with HOUSEHOLDS=false", digits: 2, ours: took(both.sent) / took(shared.sent)})
}

func TestHouseholdRuns(t *testing.T) {
	t.Parallel()
	srv := startServers(t)
	for _, engine := range importEngines {
		runs := map[householdKind]*householdRuns{}
		for _, kind := range []householdKind{{false, false}, {false, true}, {true, false}, {true, true}} {
			runs[kind] = &householdRuns{}
			reachHouseholds(t, srv, engine, kind, 300, runs[kind])
		}
		var out report
		reportHouseholds(&out, engine.name, 300, runs)
		for _, l := range out.lines {
			if l.ours <= 0 {
				t.Errorf("%+v", l)
			}
		}
	}
}
