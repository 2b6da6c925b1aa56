package staff

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Drafts implements staff.DraftStore.
type Drafts struct{ DB *postgres.DB }

// PutDraft implements staff.DraftStore.
func (s Drafts) PutDraft(ctx context.Context, d staff.Draft, scope string) error {
	return postgres.Write(ctx, s.DB, "store a draft", func(tx pgx.Tx) error {
		var others int
		if err := tx.QueryRow(ctx, countOtherDrafts, d.Account, d.ID).Scan(&others); err != nil {
			return err
		}
		if others >= schoolbell.MaxDrafts {
			return row.TooManyDrafts()
		}
		tag, err := tx.Exec(ctx, upsertDraft, named{"staff_id": d.Account, "id": d.ID, "title": d.Title, "form": string(d.Form), "saved_at": d.SavedAt, "scope": scope})
		if err == nil && tag.RowsAffected() == 0 {
			return row.FormSent()
		}
		return err
	})
}

const (
	// countOtherDrafts selects how many drafts an account has beside one.
	countOtherDrafts = "SELECT count(*) FROM drafts WHERE staff_id = $1 AND id <> $2"

	// upsertDraft inserts or replaces a draft, unless an event was created from its form.
	upsertDraft = `
	INSERT INTO drafts (staff_id, id, title, form, saved_at)
	SELECT @staff_id, @id::text, @title, @form, @saved_at::timestamptz
	WHERE NOT EXISTS (SELECT 1 FROM idempotency WHERE scope = @scope AND key = @id)
	ON CONFLICT (staff_id, id) DO UPDATE
	SET title = excluded.title,
		form = excluded.form,
		saved_at = excluded.saved_at`
)

// Draft implements staff.DraftStore.
func (s Drafts) Draft(ctx context.Context, account, id string) (d staff.Draft, err error) {
	err = postgres.Read(ctx, s.DB, "read a draft", func(tx pgx.Tx) error {
		d, err = scanDraft(tx.QueryRow(ctx, selectDraft, account, id))
		if errors.Is(err, pgx.ErrNoRows) {
			return schoolbell.NotFound("draft", id)
		}
		return err
	})
	return d, err
}

const (
	// selectDraft selects one draft.
	selectDraft = "SELECT staff_id, id, title, form, saved_at FROM drafts WHERE staff_id = $1 AND id = $2"

	// listDrafts selects the drafts of an account.
	listDrafts = "SELECT staff_id, id, title, form, saved_at FROM drafts WHERE staff_id = $1 ORDER BY saved_at DESC, id"
)

func scanDraft(r pgx.Row) (d staff.Draft, err error) {
	var form string
	err = r.Scan(&d.Account, &d.ID, &d.Title, &form, &d.SavedAt)
	d.Form, d.SavedAt = []byte(form), d.SavedAt.UTC()
	return d, err
}

// Drafts implements staff.DraftStore.
func (s Drafts) Drafts(ctx context.Context, account string) (found []staff.Draft, err error) {
	err = postgres.Read(ctx, s.DB, "list drafts", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listDrafts, account)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (staff.Draft, error) { return scanDraft(r) })
		return err
	})
	return found, err
}

// CountDrafts implements staff.DraftStore.
func (s Drafts) CountDrafts(ctx context.Context, account string) (n int, err error) {
	err = postgres.Read(ctx, s.DB, "count drafts", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM drafts WHERE staff_id = $1", account).Scan(&n)
	})
	return n, err
}

// RemoveDraft implements staff.DraftStore.
func (s Drafts) RemoveDraft(ctx context.Context, account, id string) error {
	return s.exec(ctx, "remove a draft", "DELETE FROM drafts WHERE staff_id = $1 AND id = $2", account, id)
}

// RemoveOldDrafts implements staff.DraftStore.
func (s Drafts) RemoveOldDrafts(ctx context.Context, before time.Time) error {
	return s.exec(ctx, "remove old drafts", "DELETE FROM drafts WHERE saved_at < $1", before)
}

func (s Drafts) exec(ctx context.Context, doing, statement string, arguments ...any) error {
	return postgres.Write(ctx, s.DB, doing, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, statement, arguments...)
		return err
	})
}
