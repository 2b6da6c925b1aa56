package staff

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"schoolbell"
	"schoolbell/internal/staff"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Drafts implements staff.DraftStore.
type Drafts struct{ DB *sqlite.DB }

// PutDraft implements staff.DraftStore.
func (s Drafts) PutDraft(ctx context.Context, d staff.Draft, scope string) error {
	return sqlite.Write(ctx, s.DB, "store a draft", func(c sqlite.Conn) error {
		var others int
		if err := c.Get(ctx, countOtherDrafts, args{"staff_id": d.Account, "id": d.ID}, &others); err != nil {
			return err
		}
		if others >= schoolbell.MaxDrafts {
			return row.TooManyDrafts()
		}
		n, err := c.Exec(ctx, upsertDraft, args{"staff_id": d.Account, "id": d.ID, "title": d.Title, "form": string(d.Form),
			"saved_at": d.SavedAt.UnixMilli(), "scope": scope})
		if err == nil && n == 0 {
			return row.FormSent()
		}
		return err
	})
}

const (
	// countOtherDrafts selects how many drafts an account has beside one.
	countOtherDrafts = "SELECT count(*) FROM drafts WHERE staff_id = @staff_id AND id <> @id"

	// upsertDraft inserts or replaces a draft, unless an event was created from its form.
	upsertDraft = `
INSERT INTO drafts (staff_id, id, title, form, saved_at)
SELECT @staff_id, @id, @title, @form, @saved_at
WHERE NOT EXISTS (SELECT 1 FROM idempotency WHERE scope = @scope AND key = @id)
ON CONFLICT (staff_id, id) DO UPDATE
SET title = excluded.title,
	form = excluded.form,
	saved_at = excluded.saved_at`
)

// Draft implements staff.DraftStore.
func (s Drafts) Draft(ctx context.Context, account, id string) (d staff.Draft, err error) {
	err = sqlite.Read(ctx, s.DB, "read a draft", func(c sqlite.Conn) error {
		var form string
		var saved sql.NullInt64
		err := c.Get(ctx, selectDraft, args{"staff_id": account, "id": id}, &d.Account, &d.ID, &d.Title, &form, &saved)
		if errors.Is(err, sql.ErrNoRows) {
			return schoolbell.NotFound("draft", id)
		}
		d.Form, d.SavedAt = []byte(form), timeOf(saved)
		return err
	})
	return d, err
}

const (
	// selectDraft selects one draft.
	selectDraft = "SELECT staff_id, id, title, form, saved_at FROM drafts WHERE staff_id = @staff_id AND id = @id"

	// listDrafts selects the drafts of an account.
	listDrafts = "SELECT staff_id, id, title, form, saved_at FROM drafts WHERE staff_id = @staff_id ORDER BY saved_at DESC, id"
)

// Drafts implements staff.DraftStore.
func (s Drafts) Drafts(ctx context.Context, account string) (found []staff.Draft, err error) {
	err = sqlite.Read(ctx, s.DB, "list drafts", func(c sqlite.Conn) error {
		found = nil
		return c.Each(ctx, listDrafts, args{"staff_id": account}, func(scan func(...any) error) error {
			var d staff.Draft
			var form string
			var saved sql.NullInt64
			if err := scan(&d.Account, &d.ID, &d.Title, &form, &saved); err != nil {
				return err
			}
			d.Form, d.SavedAt = []byte(form), timeOf(saved)
			found = append(found, d)
			return nil
		})
	})
	return found, err
}

// CountDrafts implements staff.DraftStore.
func (s Drafts) CountDrafts(ctx context.Context, account string) (n int, err error) {
	err = sqlite.Read(ctx, s.DB, "count drafts", func(c sqlite.Conn) error {
		return c.Get(ctx, "SELECT count(*) FROM drafts WHERE staff_id = @staff_id", args{"staff_id": account}, &n)
	})
	return n, err
}

// RemoveDraft implements staff.DraftStore.
func (s Drafts) RemoveDraft(ctx context.Context, account, id string) error {
	return s.exec(ctx, "remove a draft", "DELETE FROM drafts WHERE staff_id = @staff_id AND id = @id", args{"staff_id": account, "id": id})
}

// RemoveOldDrafts implements staff.DraftStore.
func (s Drafts) RemoveOldDrafts(ctx context.Context, before time.Time) error {
	return s.exec(ctx, "remove old drafts", "DELETE FROM drafts WHERE saved_at < @before", args{"before": before.UnixMilli()})
}

func (s Drafts) exec(ctx context.Context, doing, statement string, a args) error {
	return sqlite.Write(ctx, s.DB, doing, func(c sqlite.Conn) error {
		_, err := c.Exec(ctx, statement, a)
		return err
	})
}
