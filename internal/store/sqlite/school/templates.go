package school

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"schoolbell"
	"schoolbell/internal/store/row"
	"schoolbell/internal/store/sqlite"
)

// Templates implements school.TemplateStore.
type Templates struct{ DB *sqlite.DB }

// PutTemplate implements school.TemplateStore.
func (s Templates) PutTemplate(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error) {
	err := sqlite.Write(ctx, s.DB, "put template", func(c sqlite.Conn) error {
		var created int64
		err := c.Get(ctx, insertTemplate, map[string]any{
			"category": string(t.Category), "channel": string(t.Channel), "locale": t.Locale,
			"subject": t.Subject, "html": t.HTML, "text": t.Text, "reset": t.Reset,
		}, &t.Version, &created)
		if errors.Is(err, sql.ErrNoRows) {
			return row.UnknownCategory(t.Category)
		}
		t.CreatedAt = time.UnixMilli(created).UTC()
		return err
	})
	return t, err
}

// insertTemplate stores a version of a template, if there is its category.
const insertTemplate = `
INSERT INTO templates (category, channel, locale, subject, html, text, reset, created_at)
SELECT id, @channel, @locale, @subject, @html, @text, @reset, ` + sqlite.Now + `
FROM categories
WHERE id = @category
RETURNING version, created_at`

// NewTemplates implements school.TemplateStore.
func (s Templates) NewTemplates(ctx context.Context, after int64, age time.Duration) ([]schoolbell.Template, error) {
	return s.list(ctx, "read templates", listNewTemplates, map[string]any{"after": after, "age": age.Milliseconds()})
}

// selectTemplates selects what list reads.
const selectTemplates = `
SELECT t.version, t.category, t.channel, t.locale, t.subject, t.html, t.text, t.reset, t.created_at
FROM templates t`

// listNewTemplates selects the versions after @after that no version replaced more than @age milliseconds ago.
const listNewTemplates = selectTemplates + `
WHERE t.version > @after AND NOT EXISTS (
	SELECT 1 FROM templates n
	WHERE n.category = t.category AND n.channel = t.channel AND n.locale = t.locale AND n.version > t.version
		AND n.created_at <= ` + sqlite.Now + ` - @age)
ORDER BY t.version`

func (s Templates) list(ctx context.Context, what, query string, a map[string]any) (found []schoolbell.Template, err error) {
	err = sqlite.Read(ctx, s.DB, what, func(c sqlite.Conn) error {
		found = nil
		return c.Each(ctx, query, a, func(scan func(...any) error) error {
			var t schoolbell.Template
			var created int64
			err := scan(&t.Version, &t.Category, &t.Channel, &t.Locale, &t.Subject, &t.HTML, &t.Text, &t.Reset, &created)
			t.CreatedAt = time.UnixMilli(created).UTC()
			found = append(found, t)
			return err
		})
	})
	return found, err
}

// TemplateVersions implements school.TemplateStore.
func (s Templates) TemplateVersions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error) {
	return s.list(ctx, "list template versions", listTemplateVersions, map[string]any{
		"category": string(key.Category), "channel": string(key.Channel), "locale": key.Locale, "before": before, "limit": limit,
	})
}

// listTemplateVersions selects the versions of a template before @before, newest first.
const listTemplateVersions = selectTemplates + `
WHERE t.category = @category AND t.channel = @channel AND t.locale = @locale AND (@before = 0 OR t.version < @before)
ORDER BY t.version DESC
LIMIT @limit`
