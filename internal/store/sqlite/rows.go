package sqlite

import (
	"context"
	"strings"
)

// insertion is an INSERT statement of many rows. Its parameters have neither names nor
// numbers: SQLite would search for each of them.
type insertion struct {
	into string // INSERT INTO … (…)
	row  string // (?, …)
	rest string // ON CONFLICT …, or nothing
}

// insertSizes are the numbers of rows that a statement inserts: each is a text to prepare.
var insertSizes = []int{64, 8, 1}

// statement returns the text that inserts n rows.
func (in insertion) statement(n int) string {
	return in.into + " VALUES " + strings.Repeat(in.row+", ", n-1) + in.row + " " + in.rest
}

// insertRows inserts rows, whose values follow each other in the order of the parameters.
func (c *conn) insertRows(ctx context.Context, in insertion, values []any) error {
	columns := strings.Count(in.row, "?")
	for _, size := range insertSizes {
		text, n := "", size*columns
		for len(values) >= n {
			if text == "" {
				text = in.statement(size)
			}
			st, err := c.statement(ctx, text)
			if err != nil {
				return err
			}
			if _, err := st.ExecContext(ctx, values[:n]...); err != nil {
				return err
			}
			values = values[n:]
		}
	}
	return nil
}
