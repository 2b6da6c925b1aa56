package client

import (
	"context"
	"net/http"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

// Audit lists changes, newest first; empty fields of f do not narrow the list.
func (c *Client) Audit(ctx context.Context, f schoolbell.AuditFilter, p Page) (*wire.AuditPage, error) {
	q := p.query("action", f.Action, "actor", kindAndID(string(f.Actor.Kind), f.Actor.ID), "target", kindAndID(f.Target.Kind, f.Target.ID),
		"from", moment(f.From), "to", moment(f.To))
	for name, values := range q {
		if values[0] == "" {
			q.Del(name)
		}
	}
	out := &wire.AuditPage{}
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/audit", query: q}, out)
	return out, err
}

func kindAndID(kind, id string) string {
	if id == "" {
		return kind
	}
	return kind + ":" + id
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
