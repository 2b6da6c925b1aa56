package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"schoolbell/internal/store"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/storetest"
	"schoolbell/internal/testenv"
)

// Deliveries may be partitioned by ranges of events, with the script that is shipped.
func TestPartitions(t *testing.T) {
	t.Parallel()
	t.Run("promises hold", func(t *testing.T) { storetest.RunDeliveries(t, partitioned) })
	t.Run("a month is closed and later dropped", testPartitionsMonths)
}

// partitioned makes a database in which the first events have a partition each.
func partitioned(t testing.TB) func() *store.Ledger {
	t.Helper()
	url := migrated(t)
	conn := raw(t, url)
	partition(t, conn)
	month := "deliveries_" + time.Now().UTC().Format("2006_01")
	script := "DROP TABLE " + month + ";"
	for event := 1; event <= 3; event++ {
		script += fmt.Sprintf("CREATE TABLE deliveries_%d PARTITION OF deliveries FOR VALUES FROM (%d) TO (%d);", event, event, event+1)
	}
	execute(t, conn, script+"CREATE TABLE deliveries_rest PARTITION OF deliveries FOR VALUES FROM (4) TO (MAXVALUE);")
	return func() *store.Ledger { return store.OnPostgres(open(t, url)) }
}

func testPartitionsMonths(t *testing.T) {
	t.Parallel()
	conn := raw(t, migrated(t))
	insertDelivery(t, conn)
	partition(t, conn)
	month := "deliveries_" + time.Now().UTC().Format("2006_01")
	wantPartitions(t, conn, "deliveries_first FOR VALUES FROM (MINVALUE) TO ('2')", month+" FOR VALUES FROM ('2') TO (MAXVALUE)")

	execute(t, conn, "ALTER TABLE "+month+" RENAME TO deliveries_before")
	insertDelivery(t, conn)
	partition(t, conn)
	later := month + " FOR VALUES FROM ('3') TO (MAXVALUE)"
	wantPartitions(t, conn, "deliveries_before FOR VALUES FROM ('2') TO ('3')", "deliveries_first FOR VALUES FROM (MINVALUE) TO ('2')", later)

	insertDelivery(t, conn)
	execute(t, conn, "DELETE FROM deliveries WHERE event_seq = 1")
	partition(t, conn)
	wantPartitions(t, conn, "deliveries_before FOR VALUES FROM ('2') TO ('3')", later)
	var rows int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM deliveries").Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d deliveries, %v; want 2", rows, err)
	}
}

// migrated makes a migrated database and returns its URL.
func migrated(t testing.TB) string {
	t.Helper()
	return testenv.PostgresFilled(t, func(ctx context.Context, url string) error {
		db, err := postgres.Open(ctx, url, postgres.Options{})
		if err != nil {
			return err
		}
		return errors.Join(db.Migrate(ctx), db.Close())
	})
}

// partition runs the script.
func partition(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	script, err := os.ReadFile("../../../deploy/postgres/partition-deliveries.sql")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, conn, string(script))
}

func execute(t testing.TB, conn *pgx.Conn, script string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), script).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// insertDelivery stores an event with a delivery.
func insertDelivery(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	execute(t, conn, `
		WITH e AS (
			INSERT INTO events (id, title, body, category, lane, audience, location, status, created_by_kind, created_by_id, job_id, created_at)
			VALUES (gen_random_uuid()::text, 'a', 'b', 'event', 'normal', '{}', '', 'completed', 'key', 'k', '', now())
			RETURNING seq)
		INSERT INTO deliveries (event_seq, user_seq, updated_at, wave, channel, status)
		SELECT seq, 1, now(), 0, 1, 1 FROM e`)
}

func wantPartitions(t *testing.T, conn *pgx.Conn, want ...string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid)
		FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'deliveries'::regclass AND c.relkind = 'r'`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("partitions (-want +got):\n%s\n%s", diff, strings.Join(got, "\n"))
	}
}
