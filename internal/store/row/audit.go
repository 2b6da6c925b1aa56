package row

import (
	"encoding/json"
	"fmt"
	"time"

	"schoolbell"
)

// AuditConditions returns the conditions on audit entries that a filter has and that lie
// before an id ("" for the newest), as SQL to append to a WHERE, with the values of its
// parameters. Times become bounds of ids, which begin with the time: so one index serves
// the order and the period.
func AuditConditions(f schoolbell.AuditFilter, before string) (conditions string, values map[string]any) {
	values = map[string]any{}
	add := func(condition, name string, value string) {
		if value != "" {
			conditions += " AND " + condition
			values[name] = value
		}
	}
	add("id < @before", "before", before)
	add("id >= @from", "from", AuditBound(f.From))
	add("id < @to", "to", AuditBound(f.To))
	add("actor_kind = @actor_kind", "actor_kind", string(f.Actor.Kind))
	add("actor_id = @actor_id", "actor_id", f.Actor.ID)
	add("action = @action", "action", f.Action)
	add("target_kind = @target_kind", "target_kind", f.Target.Kind)
	add("target_id = @target_id", "target_id", f.Target.ID)
	return conditions, values
}

// AuditBound returns what sorts before the ids of entries at that time or later, and after
// all others; "" for no time. Earlier than 1970 there are none.
func AuditBound(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	ms := max(0, at.UnixMilli())
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// AuditChanges writes the details of an audit entry.
func AuditChanges(e schoolbell.AuditEntry) (string, error) {
	if len(e.Changes) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(e.Changes)
	if err != nil {
		return "", fmt.Errorf("encode audit entry %s: %w", e.ID, err)
	}
	return string(text), nil
}

// SetAuditChanges is the inverse of AuditChanges.
func SetAuditChanges(e *schoolbell.AuditEntry, text string) error {
	if text == "{}" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &e.Changes); err != nil {
		return fmt.Errorf("decode audit entry %s: %w", e.ID, err)
	}
	return nil
}
