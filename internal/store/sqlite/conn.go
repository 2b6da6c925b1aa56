package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// conn runs statements. It prepares each text once and keeps it: the texts are
// few, and none holds values.
type conn struct {
	prepare func(ctx context.Context, query string) (*sql.Stmt, error)

	mu    sync.Mutex
	stmts map[string]*statement
}

func newConn(prepare func(context.Context, string) (*sql.Stmt, error)) *conn {
	return &conn{prepare: prepare, stmts: map[string]*statement{}}
}

// args are the values of a statement's parameters: args{"event": 7} sets @event.
type args map[string]any

// and returns the values of both.
func (a args) and(more args) args {
	all := make(args, len(a)+len(more))
	maps.Copy(all, a)
	maps.Copy(all, more)
	return all
}

// statement is a prepared text.
type statement struct {
	*sql.Stmt
	names []string // of its parameters, in the order of their numbers
}

// values returns the values of the statement's parameters in the order of their
// numbers. A value too few or too many is an error.
func (s *statement) values(a args) ([]any, error) {
	values := make([]any, len(s.names))
	for i, name := range s.names {
		v, ok := a[name]
		if !ok {
			return nil, fmt.Errorf("parameter @%s has no value", name)
		}
		values[i] = v
	}
	if len(a) != len(values) {
		return nil, fmt.Errorf("%d values for the %d parameters %v", len(a), len(values), s.names)
	}
	return values, nil
}

var parameter = regexp.MustCompile(`@\w+`)

// numbered returns query with numbers in place of the names of its parameters, and
// the names in the order of their numbers. The driver compares every name with
// every parameter at each call; numbers spare it that.
func numbered(query string) (text string, names []string) {
	text = parameter.ReplaceAllStringFunc(query, func(found string) string {
		name := found[1:]
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		return "?" + strconv.Itoa(slices.Index(names, name)+1)
	})
	return text, names
}

// bind returns query as a prepared statement and the values of its parameters.
func (c *conn) bind(ctx context.Context, query string, a args) (*statement, []any, error) {
	st, err := c.statement(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	values, err := st.values(a)
	return st, values, err
}

func (c *conn) statement(ctx context.Context, query string) (*statement, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	text, names := numbered(query)
	prepared, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	st := &statement{Stmt: prepared, names: names}
	c.stmts[query] = st
	return st, nil
}

// close closes the prepared statements. The pool of the connection does not know them, and SQLite keeps a
// connection that has any, with its locks and files, even if it was closed.
func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	clear(c.stmts)
	return errors.Join(errs...)
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(ctx context.Context, query string, a args) (int, error) {
	st, values, err := c.bind(ctx, query, a)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, values...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// insert runs an INSERT of one row and returns its rowid.
func (c *conn) insert(ctx context.Context, query string, a args) (int64, error) {
	st, values, err := c.bind(ctx, query, a)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, values...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// get scans the first row into dest; sql.ErrNoRows if there is none.
func (c *conn) get(ctx context.Context, query string, a args, dest ...any) error {
	st, values, err := c.bind(ctx, query, a)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, values...).Scan(dest...)
}

// each calls row for every row. The rows are closed when it returns.
func (c *conn) each(ctx context.Context, query string, a args, row func(scan func(dest ...any) error) error) error {
	st, values, err := c.bind(ctx, query, a)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
