package api_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell/internal/testenv"
)

// Requests that arrive while PostgreSQL stores an event wait for each other and are stored together.
func TestConcurrentEvents(t *testing.T) {
	t.Parallel()
	t.Run("they share round trips", testConcurrentShared)
	t.Run("an error concerns one of them only", testConcurrentError)
}

// blockedPosts is a server on PostgreSQL whose requests for events are held by another transaction.
type blockedPosts struct {
	*server
	t       *testing.T
	other   *pgx.Conn
	answers []answer
	posts   sync.WaitGroup
}

func newBlockedPosts(t *testing.T, posts int) *blockedPosts {
	t.Helper()
	dsn := testenv.Postgres(t)
	s := newServerOn(t, openPostgresWith(t, dsn, 20))
	s.user("u1")
	other, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { must(t, other.Close(context.Background())) })
	return &blockedPosts{t: t, server: s, other: other, answers: make([]answer, posts)}
}

func (b *blockedPosts) exec(sql string) {
	b.t.Helper()
	_, err := b.other.Exec(b.t.Context(), sql)
	must(b.t, err)
}

func (b *blockedPosts) post(i int, body string, header ...string) {
	b.posts.Go(func() { b.answers[i] = b.raw("POST", "/v1/events", body, header...) })
}

// blocked waits until so many calls wait for the other transaction.
func (b *blockedPosts) blocked(n int) {
	b.t.Helper()
	testenv.Eventually(b.t, 40*time.Second, func() (err error) {
		var waiting int
		b.exec("SELECT pg_stat_clear_snapshot()") // a transaction keeps what it has seen
		err = b.other.QueryRow(b.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
		if err == nil && waiting != n {
			err = fmt.Errorf("%d calls wait", waiting)
		}
		return err
	}, "%d calls wait for a lock", n)
}

const plainEvent = `{"title":"T","body":"B","audience":{"users":["u1"]}}`

func testConcurrentShared(t *testing.T) {
	t.Parallel()
	const posts, unknown, key1, key2 = 20, 5, 6, 7 // those of the latter have the same key
	b := newBlockedPosts(t, posts)
	b.exec("BEGIN")
	b.exec("LOCK TABLE events IN SHARE MODE")
	b.post(0, plainEvent)
	b.blocked(1)
	for i := 1; i < posts; i++ {
		switch i {
		case unknown:
			b.post(i, strings.Replace(plainEvent, "u1", "nobody", 1))
		case key1, key2:
			b.post(i, plainEvent, "Idempotency-Key", "the same")
		default:
			b.post(i, plainEvent)
		}
	}
	b.blocked(2) // the second call has at least five requests
	b.exec("COMMIT")
	b.posts.Wait()
	ids := map[string]bool{}
	for i, a := range b.answers {
		switch {
		case i == unknown:
			if p := a.problem(t); a.StatusCode != 422 || len(p.Fields) != 1 || p.Fields[0].Field != "audience.users[0]" {
				t.Errorf("unknown user: answered %d %s", a.StatusCode, a.body)
			}
			continue
		case a.StatusCode != 201 && (i != key1 && i != key2 || a.StatusCode != 200):
			t.Errorf("post %d: answered %d %s", i, a.StatusCode, a.body)
		}
		ids[a.Header.Get("Location")] = true
	}
	if b.answers[key1].StatusCode == b.answers[key2].StatusCode || b.answers[key1].Header.Get("Location") != b.answers[key2].Header.Get("Location") {
		t.Errorf("one key: answered %s and %s", b.answers[key1].body, b.answers[key2].body)
	}
	var events, transactions int
	must(t, b.other.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT xmin::text) FROM events").Scan(&events, &transactions))
	if want := posts - 2; events != want || len(ids) != want {
		t.Errorf("%d events and %d answers with one, want %d", events, len(ids), want)
	}
	if transactions >= events {
		t.Errorf("%d transactions stored %d events", transactions, events)
	}
}

func testConcurrentError(t *testing.T) {
	t.Parallel()
	const posts = 20
	b := newBlockedPosts(t, posts)
	if a := b.raw("PUT", "/v1/categories/trip", `{"name":"Trip","channels":["in_app"]}`); a.StatusCode >= 300 {
		t.Fatalf("answered %d %s", a.StatusCode, a.body)
	}
	trip := strings.Replace(plainEvent, `"title"`, `"category":"trip","title"`, 1)
	b.exec("BEGIN")
	b.exec("DELETE FROM categories WHERE id = 'trip'")
	b.post(0, trip)
	b.blocked(1)
	for i := 1; i < posts; i++ {
		if i%5 == 0 {
			b.post(i, plainEvent)
		} else {
			b.post(i, trip)
		}
	}
	b.blocked(2) // five events, of which one at least has the category
	b.exec("COMMIT")
	b.posts.Wait()
	for i, a := range b.answers {
		want := 422
		if i%5 == 0 && i > 0 {
			want = 201
		}
		if a.StatusCode != want {
			t.Errorf("post %d: answered %d %s, want %d", i, a.StatusCode, a.body, want)
		}
	}
}
