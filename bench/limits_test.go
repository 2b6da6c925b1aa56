package bench

import (
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"schoolbell/internal/testenv"
)

// smtpConnections is the default of EMAIL_CONNECTIONS.
const smtpConnections = 20

// smtpLimit is how many emails per second a minimal client without pipelining gets into
// a mail sink: what any such sender of ours is bounded by.
func smtpLimit(b testing.TB, emails int) float64 {
	b.Helper()
	sink, message := testenv.SMTPSink(b), plainMessage(b)
	start := time.Now()
	var group errgroup.Group
	for first := range min(smtpConnections, emails) {
		group.Go(func() error { return sendPlain(sink.Addr, message, first, emails) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if n := sink.Count(); n != emails {
		b.Errorf("the minimal client sent %d of %d emails", n, emails)
	}
	return float64(emails) / took.Seconds()
}

// plainMessage is as long as the emails of Schoolbell.
func plainMessage(b testing.TB) string {
	b.Helper()
	text := "Subject: " + title + "\r\nFrom: office@hill.example\r\nContent-Type: text/html\r\n\r\n"
	for _, name := range []string{"event.email.txt", "event.email.html"} {
		part, err := os.ReadFile(filepath.Join(testenv.Root(b), "internal", "render", "testdata", name))
		if err != nil {
			b.Fatal(err)
		}
		text += strings.ReplaceAll(strings.ReplaceAll(string(part), "\n", "\r\n"), "\r\n.", "\r\n..")
	}
	return strings.TrimRight(text, "\r\n") + "\r\n.\r\n"
}

// sendPlain sends every 20th message on one connection and waits for each reply.
func sendPlain(addr, message string, first, emails int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	text := textproto.NewConn(conn)
	say := func(line string, code int) error {
		if line != "" {
			if _, err := text.W.WriteString(line); err != nil {
				return err
			}
			if err := text.W.Flush(); err != nil {
				return err
			}
		}
		_, _, err := text.ReadResponse(code)
		return err
	}
	if err := say("", 220); err != nil {
		return err
	}
	if err := say("EHLO bench.hill.example\r\n", 250); err != nil {
		return err
	}
	for n := first; n < emails; n += smtpConnections {
		for _, step := range []struct {
			line string
			code int
		}{
			{"MAIL FROM:<office@hill.example>\r\n", 250}, {"RCPT TO:<" + address(n) + ">\r\n", 250}, {"DATA\r\n", 354}, {message, 250},
		} {
			if err := say(step.line, step.code); err != nil {
				return err
			}
		}
	}
	return say("QUIT\r\n", 221)
}

// insertTables are the tables into which each person of an in-app event gets a row.
var insertTables = []string{"deliveries", "inbox"}

// insertLimit is how fast PostgreSQL copies the rows of the last event into tables of the
// same form, with the same indexes: people per second, and its processor time in µs for
// each person.
func insertLimit(b testing.TB, srv *servers, s *system) (rate, micros float64) {
	b.Helper()
	db, err := pgx.Connect(b.Context(), s.dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	for _, table := range insertTables {
		if _, err := db.Exec(b.Context(), fmt.Sprintf("CREATE TABLE copy_of_%[1]s (LIKE %[1]s INCLUDING ALL)", table)); err != nil {
			b.Fatal(err)
		}
	}
	used, start := testenv.CPUTime(b, srv.postgres.PID()), time.Now()
	for _, table := range insertTables {
		tag, err := db.Exec(b.Context(), fmt.Sprintf("INSERT INTO copy_of_%[1]s SELECT * FROM %[1]s", table))
		if err != nil || tag.RowsAffected() != int64(s.people) {
			b.Fatalf("copy %d rows of %s: %d, %v", s.people, table, tag.RowsAffected(), err)
		}
	}
	took := time.Since(start)
	micros = float64((testenv.CPUTime(b, srv.postgres.PID()) - used).Microseconds()) / float64(s.people)
	return float64(s.people) / took.Seconds(), micros
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if rate := smtpLimit(t, 50); rate <= 0 {
		t.Errorf("%v emails/s", rate)
	}
	srv := startServers(t)
	s := startSchoolbell(t, srv, setup{people: 200, workers: 1, sink: testenv.SMTPSink(t)})
	defer s.stop()
	if r := s.reach(t, srv, audience{inAppOnly: true}); r.took <= 0 {
		t.Errorf("measured %+v", r)
	}
	if rate, _ := insertLimit(t, srv, s); rate <= 0 {
		t.Errorf("%v people/s", rate)
	}
}
