package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/testenv"
)

func TestPutUsers(t *testing.T) {
	t.Parallel()
	t.Run("an import into an empty ledger reads no table as a whole", testPutUsersPlans)
}

// PostgreSQL keeps plans that it made while tables were empty, until autovacuum has counted the rows.
func testPutUsersPlans(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	db, err := postgres.Open(t.Context(), url, postgres.Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // a second time, if nothing fails
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const batches, size = 30, 100
	store := postgres.People{DB: db}
	for twice := range 2 {
		for n := range batches {
			if _, err := store.PutUsers(t.Context(), pupils(twice, n*size, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil { // its counters are written then
		t.Fatal(err)
	}
	counters := raw(t, url)
	written, read := 0, 0
	testenv.Eventually(t, time.Minute, func() bool {
		if err := counters.QueryRow(context.Background(), countTuples).Scan(&written, &read); err != nil {
			t.Fatal(err)
		}
		return written >= 4*batches*size
	}, "the rows are counted")
	if read > 4*batches*size {
		t.Errorf("%d rows were written and %d read by walking through a table", written, read)
	}
}

// countTuples adds up the rows of people that were written and those that were read by a sequential scan.
const countTuples = `
	SELECT sum(n_tup_ins), sum(seq_tup_read) FROM pg_stat_user_tables
	WHERE relname IN ('users', 'user_roles', 'groups', 'memberships', 'guardianships', 'addresses')`

// pupils makes people with two links and an address each, and other names for another year.
func pupils(year, first, n int) []*schoolbell.User {
	list := make([]*schoolbell.User, n)
	for i := range list {
		list[i] = &schoolbell.User{ID: fmt.Sprintf("u%05d", first+i), Name: fmt.Sprintf("Pupil in year %d", year), Email: fmt.Sprintf("u%d@example.org", first+i),
			Roles: []schoolbell.Role{schoolbell.RoleStudent}, Groups: []string{fmt.Sprintf("class%d", (first+i)/30+year)}}
	}
	return list
}
