package sqlite

import (
	"context"
	"database/sql"
	"maps"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// audited returns f with the audit entry of the change that ctx carries, in the same transaction.
func audited(ctx context.Context, f func(c *conn) error) func(c *conn) error {
	change := ledger.ChangeOf(ctx)
	if change == nil {
		return f
	}
	return func(c *conn) error {
		change.Begin()
		if err := f(c); err != nil {
			return err
		}
		if e, ok := change.Unstored(); ok {
			return putAuditEntry(ctx, c, e)
		}
		return nil
	}
}

func putAuditEntry(ctx context.Context, c *conn, e schoolbell.AuditEntry) error {
	changes, err := row.AuditChanges(e)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, upsertAuditEntry, args{
		"id": e.ID, "at": millis(e.At), "actor_kind": string(e.Actor.Kind), "actor_id": e.Actor.ID, "actor_name": e.Actor.Name,
		"action": e.Action, "target_kind": e.Target.Kind, "target_id": e.Target.ID, "address": e.Address, "changes": changes,
	})
	return err
}

// upsertAuditEntry stores an audit entry, or the target and the details of one that is stored.
const upsertAuditEntry = `
INSERT INTO audit (id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, address, changes)
VALUES (@id, @at, @actor_kind, @actor_id, @actor_name, @action, @target_kind, @target_id, @address, @changes)
ON CONFLICT (id) DO UPDATE
SET target_id = excluded.target_id,
	changes = excluded.changes`

// PutAuditEntry implements api.Store.
func (s Reports) PutAuditEntry(ctx context.Context, e schoolbell.AuditEntry) error {
	return s.DB.write(ledger.WithChange(ctx, nil), "put audit entry", func(c *conn) error {
		return putAuditEntry(ctx, c, e)
	})
}

// AuditEntries implements api.Store.
func (s Reports) AuditEntries(ctx context.Context, f schoolbell.AuditFilter, before string, limit int) (entries []schoolbell.AuditEntry, err error) {
	conditions, values := row.AuditConditions(f, before)
	page := args{"limit": limit}
	maps.Copy(page, values)
	err = s.DB.read(ctx, "list audit entries", func(c *conn) error {
		return c.each(ctx, selectAuditEntries+conditions+newestAuditEntries, page, func(scan func(...any) error) error {
			e, err := scanAuditEntry(scan)
			entries = append(entries, e)
			return err
		})
	})
	return entries, err
}

// selectAuditEntries selects the columns that scanAuditEntry reads. Conditions may follow it.
const selectAuditEntries = `
SELECT id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, address, changes
FROM audit
WHERE true`

// newestAuditEntries orders entries, newest first, and cuts them off.
const newestAuditEntries = ` ORDER BY id DESC LIMIT @limit`

func scanAuditEntry(scan func(...any) error) (e schoolbell.AuditEntry, err error) {
	var at sql.NullInt64
	var changes string
	err = scan(&e.ID, &at, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Name, &e.Action, &e.Target.Kind, &e.Target.ID, &e.Address, &changes)
	if err != nil {
		return e, err
	}
	e.At = timeOf(at)
	return e, row.SetAuditChanges(&e, changes)
}

// forgetAddresses deletes the addresses from which a user made changes; the changes stay under the bare id.
const forgetAddresses = `
UPDATE audit
SET address = ''
WHERE actor_kind = 'user'
	AND actor_id = @id
	AND address <> ''`
