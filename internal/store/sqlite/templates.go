package sqlite

import (
	"context"
	"database/sql"
	"time"

	"schoolbell"
	"schoolbell/internal/store/row"
)

// Templates implements school.TemplateStore.
type Templates struct{ DB *DB }

// PutTemplate implements school.TemplateStore.
func (s Templates) PutTemplate(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error) {
	err := s.DB.write(ctx, "put template", func(c *conn) error {
		if _, err := category(ctx, c, t.Category); schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
			return row.UnknownCategory(t.Category)
		} else if err != nil {
			return err
		}
		var err error
		t.Version, err = c.insert(ctx, insertTemplate, args{
			"category": string(t.Category), "channel": string(t.Channel), "locale": t.Locale,
			"subject": t.Subject, "html": t.HTML, "text": t.Text, "reset": t.Reset,
		})
		if err != nil {
			return err
		}
		var created sql.NullInt64
		err = c.get(ctx, "SELECT created_at FROM templates WHERE version = @version", args{"version": t.Version}, &created)
		t.CreatedAt = timeOf(created)
		return err
	})
	return t, err
}

// insertTemplate stores a version of a template.
const insertTemplate = `
INSERT INTO templates (category, channel, locale, subject, html, text, reset, created_at)
VALUES (@category, @channel, @locale, @subject, @html, @text, @reset, ` + now + `)`

// NewTemplates implements school.TemplateStore.
func (s Templates) NewTemplates(ctx context.Context, after int64, age time.Duration) ([]schoolbell.Template, error) {
	return s.list(ctx, "read templates", listNewTemplates, args{"after": after, "age": age.Milliseconds()})
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
		AND n.created_at <= ` + now + ` - @age)
ORDER BY t.version`

func (s Templates) list(ctx context.Context, what, query string, a args) (found []schoolbell.Template, err error) {
	err = s.DB.read(ctx, what, func(c *conn) error {
		found = nil
		return c.each(ctx, query, a, func(scan func(...any) error) error {
			var t schoolbell.Template
			var created sql.NullInt64
			err := scan(&t.Version, &t.Category, &t.Channel, &t.Locale, &t.Subject, &t.HTML, &t.Text, &t.Reset, &created)
			t.CreatedAt = timeOf(created)
			found = append(found, t)
			return err
		})
	})
	return found, err
}

// TemplateVersions implements school.TemplateStore.
func (s Templates) TemplateVersions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error) {
	return s.list(ctx, "list template versions", listTemplateVersions, args{
		"category": string(key.Category), "channel": string(key.Channel), "locale": key.Locale, "before": before, "limit": limit,
	})
}

// listTemplateVersions selects the versions of a template before @before, newest first.
const listTemplateVersions = selectTemplates + `
WHERE t.category = @category AND t.channel = @channel AND t.locale = @locale AND (@before = 0 OR t.version < @before)
ORDER BY t.version DESC
LIMIT @limit`
