package postgres_test

import (
	"context"
	"testing"

	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), url, postgres.Options{Connections: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// database makes a migrated database.
func database(t testing.TB) func() storetest.Store {
	t.Helper()
	url := testenv.Postgres(t)
	if err := open(t, url).Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return func() storetest.Store { return open(t, url) }
}

func TestStoreKeepsEveryPromise(t *testing.T) { storetest.Run(t, database) }

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, database) }
