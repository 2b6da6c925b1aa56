package system

import (
	"database/sql"
	"strings"
)

// Columns are the columns of every table of the ledger, by table, as the database has them.
func (l *Ledger) Columns() map[string][]string {
	l.t.Helper()
	query := `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`
	if l.driver == "pgx" {
		query = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`
	}
	columns := map[string][]string{}
	l.rows(query, func(r *sql.Rows) error {
		var table, column string
		err := r.Scan(&table, &column)
		columns[table] = append(columns[table], column)
		return err
	})
	return columns
}

// Count runs a query that selects one number.
func (l *Ledger) Count(query string, args ...any) int {
	l.t.Helper()
	return l.number(query, args...)
}

// Change changes the ledger past the program, which should not run meanwhile.
func (l *Ledger) Change(statements ...string) {
	l.t.Helper()
	db, err := sql.Open(l.driver, strings.Replace(l.dsn, "mode=ro", "mode=rw", 1))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(l.t.Context(), s); err != nil {
			l.t.Fatalf("change the ledger: %v\n%s", err, s)
		}
	}
}

// Age makes the times in some columns, named as table.column, 500 days older.
func (l *Ledger) Age(columns ...string) {
	l.t.Helper()
	for _, name := range columns {
		table, column, _ := strings.Cut(name, ".")
		older := column + ` - 43200000000`
		if l.driver == "pgx" {
			older = column + ` - interval '500 days'`
		}
		l.Change(`UPDATE ` + table + ` SET ` + column + ` = ` + older)
	}
}

// Due makes the next round of retention due.
func (l *Ledger) Due() { l.t.Helper(); l.Change(`DELETE FROM turns`) }
