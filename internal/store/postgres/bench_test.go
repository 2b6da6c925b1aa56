package postgres_test

import (
	"testing"
	"time"

	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

func BenchmarkStore(b *testing.B) {
	var server int
	const readPID = `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int`
	if err := raw(b, testenv.Postgres(b)).QueryRow(b.Context(), readPID).Scan(&server); err != nil {
		b.Fatal(err)
	}
	storetest.BenchmarkWithServer(b, database, func() time.Duration { return testenv.CPUTime(b, server) })
}
