package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// auditTimeout is how long an entry may take that is stored after its change.
const auditTimeout = 5 * time.Second

// changes reports whether the route changes something, and so needs an action.
func (rt route) changes() bool {
	return rt.method != http.MethodGet && rt.need != open && !rt.reads
}

// newChange is the change that a request makes. The kind of its target is the first part
// of the action; the target's id is in the path, or is told by the code that makes the change.
func (s *Server) newChange(rt route, r *http.Request, p auth.Principal) *ledger.Change {
	kind, _, _ := strings.Cut(rt.action, ".")
	id := r.PathValue("id")
	switch kind {
	case "queue":
		id = r.PathValue("queue")
	case "channel":
		id = r.PathValue("channel")
	case "job":
		id = r.PathValue("queue") + "/" + r.PathValue("job")
	}
	return ledger.NewChange(schoolbell.AuditEntry{At: s.cfg.Clock(), Actor: p.Actor(), Action: rt.action,
		Target: schoolbell.Target{Kind: kind, ID: id}, Address: s.rates.address(r)})
}

// noteFields tells the change which fields a body sets. Others than the type's do not
// matter: they are refused later.
func noteFields(change *ledger.Change, body []byte) {
	var fields map[string]json.RawMessage
	if change != nil && json.Unmarshal(body, &fields) == nil && len(fields) > 0 {
		change.Set("fields", slices.Sorted(maps.Keys(fields)))
	}
}

// storeChange stores the entry of a change that was made outside of the ledger, and the
// details that came after it was stored.
func (s *Server) storeChange(ctx context.Context) error {
	e, ok := ledger.ChangeOf(ctx).Left()
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout) // the client may have gone
	defer cancel()
	if err := s.cfg.Store.PutAuditEntry(ctx, e); err != nil {
		return fmt.Errorf("store audit entry: %w", err)
	}
	ledger.ChangeOf(ctx).Committed()
	return nil
}

// finishChange is storeChange for a change that cannot be undone: what cannot be stored
// is logged.
func (s *Server) finishChange(ctx context.Context) {
	err := s.storeChange(ctx)
	if err == nil {
		return
	}
	s.metrics.auditLost.Inc()
	e, _ := ledger.ChangeOf(ctx).Left()
	attrs := append(requestAttrs(ctx, err), "audit_id", e.ID, "at", e.At, "actor_kind", e.Actor.Kind, "actor_id", e.Actor.ID,
		"action", e.Action, "target_kind", e.Target.Kind, "target_id", e.Target.ID, "changes", e.Changes)
	s.log.ErrorContext(ctx, "a change is not in the audit", attrs...)
}

type listAuditInput struct {
	Page
	Actor  string    `query:"actor" maxLength:"300" doc:"Only changes by these: a kind, or a kind and an id." example:"key:0123456789ab"`
	Action string    `query:"action" maxLength:"100" doc:"Only changes of this kind." example:"event.cancel"`
	Target string    `query:"target" maxLength:"2000" doc:"Only changes to these: a kind, or a kind and an id." example:"user:anne"`
	From   time.Time `query:"from" doc:"Only changes at this time or later."`
	To     time.Time `query:"to" doc:"Only changes before this time."`
}

type listAuditOutput struct{ Body wire.AuditPage }

func (s *Server) listAudit(ctx context.Context, in *listAuditInput) (*listAuditOutput, error) {
	at, err := decodeCursor("audit", in.Cursor)
	if err != nil {
		return nil, err
	}
	filter := schoolbell.AuditFilter{Action: in.Action, From: in.From, To: in.To}
	if filter.Actor, err = parseActor(in.Actor); err != nil {
		return nil, err
	}
	if filter.Target, err = parseTarget(in.Target); err != nil {
		return nil, err
	}
	list, err := s.cfg.Store.AuditEntries(ctx, filter, at.ID, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listAuditOutput{}
	list, out.Body.Next, err = cut(list, in.Limit, func(e schoolbell.AuditEntry) cursor { return cursor{Kind: "audit", ID: e.ID} })
	out.Body.Items = make([]wire.AuditEntry, 0, len(list))
	for _, e := range list {
		out.Body.Items = append(out.Body.Items, wire.AuditEntryOf(e))
	}
	return out, err
}

func parseActor(text string) (schoolbell.Actor, error) {
	kind, id, _ := strings.Cut(text, ":")
	a := schoolbell.Actor{Kind: schoolbell.ActorKind(kind), ID: id}
	if text != "" && !slices.Contains(schoolbell.ActorKinds(), a.Kind) {
		return schoolbell.Actor{}, schoolbell.Invalid("actor", "must begin with one of %s", strings.Trim(fmt.Sprint(schoolbell.ActorKinds()), "[]"))
	}
	return a, nil
}

func parseTarget(text string) (schoolbell.Target, error) {
	kind, id, _ := strings.Cut(text, ":")
	if text != "" && kind == "" {
		return schoolbell.Target{}, schoolbell.Invalid("target", "must begin with a kind, such as event")
	}
	return schoolbell.Target{Kind: kind, ID: id}, nil
}
