package school

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"schoolbell"
	"schoolbell/internal/store/postgres"
	"schoolbell/internal/store/row"
)

// Templates implements school.TemplateStore.
type Templates struct{ DB *postgres.DB }

// PutTemplate implements school.TemplateStore.
func (s Templates) PutTemplate(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error) {
	err := postgres.Write(ctx, s.DB, "put template", func(tx pgx.Tx) error {
		if err := postgres.LockSchool(ctx, tx); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, insertTemplate, pgx.StrictNamedArgs{
			"category": t.Category, "channel": t.Channel, "locale": t.Locale, "subject": t.Subject, "html": t.HTML, "text": t.Text, "reset": t.Reset,
		}).Scan(&t.Version, &t.CreatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return row.UnknownCategory(t.Category)
		}
		t.CreatedAt = t.CreatedAt.UTC()
		return err
	})
	return t, err
}

// insertTemplate stores a version of a template, if there is its category.
const insertTemplate = `
	INSERT INTO templates (category, channel, locale, subject, html, text, reset, created_at)
	SELECT c.id, @channel, @locale, @subject, @html, @text, @reset, ` + postgres.Now + `
	FROM categories c
	WHERE c.id = @category
	FOR KEY SHARE
	RETURNING version, created_at`

// NewTemplates implements school.TemplateStore.
func (s Templates) NewTemplates(ctx context.Context, after int64, age time.Duration) (found []schoolbell.Template, err error) {
	err = postgres.Read(ctx, s.DB, "read templates", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listNewTemplates, pgx.StrictNamedArgs{"after": after, "age": age.Milliseconds()})
		if err == nil {
			found, err = pgx.CollectRows(rows, scanTemplate)
		}
		return err
	})
	return found, err
}

// selectTemplates selects what scanTemplate reads.
const selectTemplates = `
	SELECT t.version, t.category, t.channel, t.locale, t.subject, t.html, t.text, t.reset, t.created_at
	FROM templates t`

// listNewTemplates selects the versions after @after that no version replaced more than @age milliseconds ago.
const listNewTemplates = selectTemplates + `
	WHERE t.version > @after AND NOT EXISTS (
		SELECT 1 FROM templates n
		WHERE n.category = t.category AND n.channel = t.channel AND n.locale = t.locale AND n.version > t.version
			AND n.created_at <= clock_timestamp() - @age::bigint * interval '1 ms')
	ORDER BY t.version`

func scanTemplate(r pgx.CollectableRow) (t schoolbell.Template, err error) {
	err = r.Scan(&t.Version, &t.Category, &t.Channel, &t.Locale, &t.Subject, &t.HTML, &t.Text, &t.Reset, &t.CreatedAt)
	t.CreatedAt = t.CreatedAt.UTC()
	return t, err
}

// TemplateVersions implements school.TemplateStore.
func (s Templates) TemplateVersions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) (found []schoolbell.Template, err error) {
	err = postgres.Read(ctx, s.DB, "list template versions", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listTemplateVersions, pgx.StrictNamedArgs{
			"category": key.Category, "channel": key.Channel, "locale": key.Locale, "before": before, "limit": limit,
		})
		if err == nil {
			found, err = pgx.CollectRows(rows, scanTemplate)
		}
		return err
	})
	return found, err
}

// listTemplateVersions selects the versions of a template before @before, newest first.
const listTemplateVersions = selectTemplates + `
	WHERE t.category = @category AND t.channel = @channel AND t.locale = @locale AND (@before::bigint = 0 OR t.version < @before)
	ORDER BY t.version DESC
	LIMIT @limit`
