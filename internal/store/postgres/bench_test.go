package postgres_test

import (
	"testing"
	"time"

	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

func BenchmarkStore(b *testing.B) { storetest.BenchmarkWithServer(b, database, serverTime(b)) }

func BenchmarkSteps(b *testing.B) { storetest.BenchmarkSteps(b, database, serverTime(b)) }

// serverTime returns a function that reads the processor time of the tests' server.
func serverTime(b *testing.B) func() time.Duration {
	var server int
	const readPID = `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int`
	if err := raw(b, testenv.Postgres(b)).QueryRow(b.Context(), readPID).Scan(&server); err != nil {
		b.Fatal(err)
	}
	return func() time.Duration { return testenv.CPUTime(b, server) }
}
