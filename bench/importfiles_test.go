package bench

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"schoolbell"
)

// pupil is the nth of many people of an imported school, from 0: students, each in a class,
// their parents, each with a phone and two students, and the teachers.
func pupil(n, people int) *schoolbell.User {
	u := &schoolbell.User{ID: userID(n), Name: fmt.Sprintf("Person %d", n), Email: address(n)}
	switch students, parents := people*80/100, people*15/100; {
	case n < students || students == 0:
		u.Roles, u.Groups = []schoolbell.Role{schoolbell.RoleStudent}, []string{fmt.Sprintf("class%d", n/30)}
	case n < students+parents:
		i := (n - students) * 5
		u.Roles, u.Phone = []schoolbell.Role{schoolbell.RoleParent}, fmt.Sprintf("+4479%08d", n)
		u.GuardianOf = []string{userID(i), userID(i + 1)}
	default:
		u.Roles, u.Groups = []schoolbell.Role{schoolbell.RoleTeacher}, []string{fmt.Sprintf("class%d", n%100)}
	}
	return u
}

// schoolFile writes a school as a file of a format and returns its path.
func schoolFile(b testing.TB, format string, people int) string {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "school."+format))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(file)
	if format == "csv" {
		fmt.Fprintln(w, "id,name,email,phone,roles,groups,guardian_of")
	}
	enc := json.NewEncoder(w)
	for n := range people {
		u := pupil(n, people)
		if format == "ndjson" {
			if err := enc.Encode(u); err != nil {
				b.Fatal(err)
			}
			continue
		}
		fmt.Fprintf(w, "%s,%s,%s,%s,%s,%s,%s\n", u.ID, u.Name, u.Email, u.Phone, u.Roles[0], strings.Join(u.Groups, ";"), strings.Join(u.GuardianOf, ";"))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return file.Name()
}

// importTables are the tables into which imported people go.
var importTables = []string{"users", "user_roles", "groups", "memberships", "guardianships", "addresses"}

// copyLimit is how long PostgreSQL takes for the rows of all imported people with COPY, one table
// after the other, into tables of the same form with the same indexes.
func copyLimit(b testing.TB, _, dsn string) time.Duration {
	b.Helper()
	db, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	rows := map[string]*bytes.Buffer{}
	for _, table := range importTables {
		rows[table] = &bytes.Buffer{}
		if _, err := db.PgConn().CopyTo(b.Context(), rows[table], "COPY "+table+" TO STDOUT"); err != nil {
			b.Fatal(err)
		}
		if _, err := db.Exec(b.Context(), fmt.Sprintf("CREATE TABLE copy_of_%[1]s (LIKE %[1]s INCLUDING ALL)", table)); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	for _, table := range importTables {
		if _, err := db.PgConn().CopyFrom(b.Context(), rows[table], "COPY copy_of_"+table+" FROM STDIN"); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// sqliteLimit is how long SQLite takes to copy the rows of all imported people from one file into another
// that has the same tables and indexes, in one transaction.
func sqliteLimit(b testing.TB, dir, _ string) time.Duration {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "copy.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		if _, err := db.ExecContext(b.Context(), query, args...); err != nil {
			b.Fatalf("%s: %v", query, err)
		}
	}
	exec("ATTACH ? AS old", filepath.Join(dir, "schoolbell.db"))
	for _, text := range schemaOf(b, db) {
		exec(text)
	}
	start := time.Now()
	exec("BEGIN IMMEDIATE")
	for _, table := range importTables {
		exec(fmt.Sprintf("INSERT INTO main.%[1]s SELECT * FROM old.%[1]s", table))
	}
	exec("COMMIT")
	return time.Since(start)
}

// schemaOf returns the statements that made the tables of people and their indexes.
func schemaOf(b testing.TB, db *sql.DB) (texts []string) {
	b.Helper()
	rows, err := db.QueryContext(b.Context(), "SELECT sql FROM old.sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index') AND tbl_name IN ('"+strings.Join(importTables, "', '")+"') ORDER BY type DESC")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			b.Fatal(err)
		}
		texts = append(texts, text)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return texts
}
