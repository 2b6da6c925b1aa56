package postgres

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/store/row"
)

// audited returns f with the audit entry of the change that ctx carries, in the same transaction.
func audited(ctx context.Context, f func(tx pgx.Tx) error) func(tx pgx.Tx) error {
	change := ledger.ChangeOf(ctx)
	if change == nil {
		return f
	}
	return func(tx pgx.Tx) error {
		change.Begin()
		if err := f(tx); err != nil {
			return err
		}
		if e, ok := change.Unstored(); ok {
			return putAuditEntry(ctx, tx, e)
		}
		return nil
	}
}

func putAuditEntry(ctx context.Context, tx pgx.Tx, e schoolbell.AuditEntry) error {
	entry, err := auditEntry(e)
	if err == nil {
		_, err = tx.Exec(ctx, upsertAuditEntry, entry)
	}
	return err
}

// auditEntry returns the parameters of a statement that stores an audit entry.
func auditEntry(e schoolbell.AuditEntry) (named, error) {
	changes, err := row.AuditChanges(e)
	return named{
		"audit_id": e.ID, "at": stored(e.At), "actor_kind": e.Actor.Kind, "actor_id": e.Actor.ID, "actor_name": e.Actor.Name,
		"action": e.Action, "target_kind": e.Target.Kind, "target_id": e.Target.ID, "address": e.Address, "changes": changes,
	}, err
}

// auditColumns are the columns of audit entries.
const auditColumns = "id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, address, changes"

// upsertAuditEntry stores an audit entry, or the target and the details of one that is stored.
const upsertAuditEntry = `
	INSERT INTO audit (` + auditColumns + `)
	VALUES (@audit_id, @at, @actor_kind, @actor_id, @actor_name, @action, @target_kind, @target_id, @address, @changes)
	ON CONFLICT (id) DO UPDATE SET target_id = excluded.target_id, changes = excluded.changes`

// PutAuditEntry implements api.Store.
func (s Reports) PutAuditEntry(ctx context.Context, e schoolbell.AuditEntry) error {
	return s.DB.write(ledger.WithChange(ctx, nil), "put audit entry", func(tx pgx.Tx) error {
		return putAuditEntry(ctx, tx, e)
	})
}

// AuditEntries implements api.Store.
func (s Reports) AuditEntries(ctx context.Context, f schoolbell.AuditFilter, before string, limit int) (entries []schoolbell.AuditEntry, err error) {
	conditions, values := row.AuditConditions(f, before)
	page := named{"limit": limit}
	maps.Copy(page, values)
	err = s.DB.again("list audit entries", func() error {
		rows, err := s.DB.pool.Query(ctx, selectAuditEntries+conditions+newestAuditEntries, page)
		entries, err = list(rows, err, scanAuditEntry)
		return err
	})
	return entries, err
}

// selectAuditEntries selects the columns that scanAuditEntry reads. Conditions may follow it.
const selectAuditEntries = `
	SELECT ` + auditColumns + `
	FROM audit
	WHERE true`

// newestAuditEntries orders entries, newest first, and cuts them off.
const newestAuditEntries = ` ORDER BY id DESC LIMIT @limit`

func scanAuditEntry(r pgx.CollectableRow) (e schoolbell.AuditEntry, err error) {
	var changes string
	err = r.Scan(&e.ID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Name, &e.Action, &e.Target.Kind, &e.Target.ID, &e.Address, &changes)
	if err != nil {
		return e, err
	}
	e.At = e.At.UTC()
	return e, row.SetAuditChanges(&e, changes)
}

// forgetAddresses deletes the addresses from which a user made changes; the changes stay under the bare id.
const forgetAddresses = "UPDATE audit SET address = '' WHERE actor_kind = 'user' AND actor_id = $1 AND address <> ''"
