//go:build linux

package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/sqlite"
	"schoolbell/internal/testenv"
)

// BenchmarkPostEvent measures POST /v1/events of an event to one user, by one client, on both
// engines: with open connections, 1,000 in one request, and as the first request of a process. cpu-ns/op is the CPU time of the
// test process (server and client), postgres-cpu-ns/op that of PostgreSQL.
func BenchmarkPostEvent(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "ledger.db")
		benchPostEvent(b, func() (*store.Ledger, func()) {
			db, err := sqlite.Open(b.Context(), path, sqlite.Options{})
			must(b, err)
			return store.OnSQLite(db), func() { must(b, db.Close()) }
		}, func() time.Duration { return 0 })
	})
	b.Run("postgres", func(b *testing.B) {
		url := testenv.Postgres(b)
		watch, err := pgx.Connect(b.Context(), url)
		must(b, err)
		b.Cleanup(func() { _ = watch.Close(context.Background()) })
		benchPostEvent(b, func() (*store.Ledger, func()) {
			db, err := postgres.Open(b.Context(), url, postgres.Options{})
			must(b, err)
			return store.OnPostgres(db), func() { must(b, db.Close()) }
		}, func() time.Duration { return backendsCPU(b, watch) })
	})
}

// benchPostEvent posts to servers on the ledger that open opens. databaseCPU returns the CPU time that the database
// has used in other processes, for the connections that are open.
func benchPostEvent(b *testing.B, open func() (l *store.Ledger, end func()), databaseCPU func() time.Duration) {
	first, end := open()
	must(b, first.Migrate(b.Context()))
	s := newServerOn(b, first)
	s.user("u1")
	b.Cleanup(end)
	key := s.keys[schoolbell.ScopeSend]
	b.Run("warm", func(b *testing.B) {
		for range 20 { // PostgreSQL plans a statement five times before it keeps a plan
			postEvent(b, s, key)
		}
		cpu, database := processCPU(b), databaseCPU()
		for b.Loop() {
			postEvent(b, s, key)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(float64(processCPU(b)-cpu)/float64(b.N), "cpu-ns/op")
		if database > 0 {
			b.ReportMetric(float64(databaseCPU()-database)/float64(b.N), "postgres-cpu-ns/op")
		}
	})
	b.Run("bulk", func(b *testing.B) {
		const events = 1000
		body := array(many(events, ""))
		s.bulk(b, body)
		for b.Loop() {
			s.bulk(b, body)
		}
		b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			l, end := open()
			must(b, l.Warm(b.Context())) // as serve does
			s := newServerOn(b, l)
			a, err := http.Get(s.url + "/livez") // connects the client
			must(b, err)
			_, err = io.Copy(io.Discard, a.Body)
			must(b, err)
			must(b, a.Body.Close())
			key := s.keys[schoolbell.ScopeSend]
			b.StartTimer()
			postEvent(b, s, key)
			b.StopTimer()
			s.stop()
			end()
			b.StartTimer()
		}
	})
}

func postEvent(b *testing.B, s *server, key string) {
	r, err := http.NewRequestWithContext(b.Context(), "POST", s.url+"/v1/events", strings.NewReader(`{"title":"T","body":"B","audience":{"users":["u1"]}}`))
	must(b, err)
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	must(b, err)
	body, err := io.ReadAll(a.Body)
	must(b, err)
	must(b, a.Body.Close())
	if a.StatusCode != 201 {
		b.Fatalf("answered %d %s", a.StatusCode, body)
	}
}

func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// backendsCPU returns the CPU time of the server's processes for the database of conn.
func backendsCPU(b *testing.B, conn *pgx.Conn) (sum time.Duration) {
	rows, err := conn.Query(b.Context(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
	must(b, err)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	must(b, err)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		must(b, err)
		onCPU, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(onCPU, 10, 64)
		must(b, err)
		sum += time.Duration(ns)
	}
	return sum
}
