package postgres

import (
	"context"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5"
)

// named holds the values of a statement's parameters: @event takes named["event"]. A name that is
// missing, or that the statement does not have, is an error of the call.
//
// It does what pgx.StrictNamedArgs does, but parses each text only once: that takes up to 40 µs, as
// long as everything else that the program does to send a statement.
type named map[string]any

// with returns the values of n and those of more.
func (n named) with(more named) named {
	all := maps.Clone(n)
	maps.Copy(all, more)
	return all
}

// numbered is a statement as PostgreSQL takes it: $1 is the parameter names[0].
type numbered struct {
	text  string
	names []string
}

// numberedTexts holds the numbered statement of each text with named parameters that was run. The
// texts are constants of this package, so there are few.
var numberedTexts sync.Map

// RewriteQuery implements pgx.QueryRewriter.
func (n named) RewriteQuery(ctx context.Context, conn *pgx.Conn, text string, _ []any) (string, []any, error) {
	known, ok := numberedTexts.Load(text)
	if !ok {
		s, err := n.number(ctx, conn, text)
		if err != nil {
			return "", nil, err
		}
		known, _ = numberedTexts.LoadOrStore(text, s)
	}
	s := known.(*numbered)
	values := make([]any, len(s.names))
	for i, name := range s.names {
		value, ok := n[name]
		if !ok || len(n) != len(s.names) {
			return pgx.StrictNamedArgs(n).RewriteQuery(ctx, conn, text, nil) // an error that says the names
		}
		values[i] = value
	}
	return s.text, values, nil
}

// number lets pgx translate a text, with the names as the values: so the values come in the order of
// the names.
func (n named) number(ctx context.Context, conn *pgx.Conn, text string) (*numbered, error) {
	names := pgx.StrictNamedArgs{}
	for name := range n {
		names[name] = name
	}
	translated, order, err := names.RewriteQuery(ctx, conn, text, nil)
	if err != nil {
		return nil, err
	}
	s := &numbered{text: translated}
	for _, name := range order {
		s.names = append(s.names, name.(string))
	}
	return s, nil
}
