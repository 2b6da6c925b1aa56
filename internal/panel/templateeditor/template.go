package templateeditor

import (
	"context"
	"net/http"
	"strconv"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/templates"
)

var templatePage = parse("template.html")

// templateView is a template in its editor.
type templateView struct {
	Path      string // relative to the panel
	Email     bool
	InUse     string
	Own       bool // the school's own is in use, not the standard template
	Form      templateForm
	Fields    []templateField
	Wrong     string // heading of Summary
	Summary   []templateFault
	Languages []templateLanguage
	Versions  []templateVersion
	Looked    string // version that is looked at, if it is not in use
	Tests     *templates.Emails
	Tested    testView
	To        string // where tests go
	Shown     shownView
}

// templateLanguage leads to the same template in a language.
type templateLanguage struct {
	Name, URL string
	Current   bool
}

// templateVersion is a version in the list.
type templateVersion struct {
	N              string
	When           site.Moment
	Reset, Current bool
}

const shownVersions = 20

// templateOf is the template that the path names, and the one in use.
func (p *Pages) templateOf(c *site.Call) (key schoolbell.TemplateKey, used schoolbell.Template, err error) {
	key, err = p.cfg.Templates.Key(c.Ctx(), schoolbell.Category(c.R.PathValue("category")), schoolbell.Channel(c.R.PathValue("channel")), c.R.PathValue("locale"))
	if err != nil {
		return key, used, err
	}
	used, err = p.cfg.Templates.Get(c.Ctx(), key)
	return key, used, err
}

func (p *Pages) showTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	form, looked, err := p.templateText(c, key, used)
	if err != nil {
		return err
	}
	return p.writeTemplate(c, http.StatusOK, key, used, templateView{Form: form, Looked: looked})
}

// templateText is the text in use, or that of the version that the query names.
func (p *Pages) templateText(c *site.Call, key schoolbell.TemplateKey, used schoolbell.Template) (form templateForm, looked string, err error) {
	wanted := c.R.URL.Query().Get("version")
	if wanted == "" || wanted == version(used) {
		return formOfTemplate(used), "", nil
	}
	old, err := p.templateVersion(c.Ctx(), key, wanted)
	if err != nil {
		return form, "", err
	}
	form = formOfTemplate(old)
	form.Base = version(used)
	return form, wanted, nil
}

// templateVersion finds a version that has a text; CodeNotFound if there is none.
func (p *Pages) templateVersion(ctx context.Context, key schoolbell.TemplateKey, wanted string) (schoolbell.Template, error) {
	n, err := strconv.ParseInt(wanted, 10, 64)
	if err != nil || n < 1 {
		return schoolbell.Template{}, schoolbell.NotFound("version", wanted)
	}
	found, err := p.cfg.Templates.Versions(ctx, key, n+1, 1)
	if err != nil {
		return schoolbell.Template{}, err
	}
	if len(found) == 0 || found[0].Version != n || found[0].Reset {
		return schoolbell.Template{}, schoolbell.NotFound("version", wanted)
	}
	return found[0], nil
}

// saveTemplate stores what the form says as a new version.
func (p *Pages) saveTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	form := readTemplateForm(c.Form)
	if form.Base != version(used) {
		form.Base = version(used)
		v := templateView{Form: form, Wrong: "Somebody else has changed this template", Summary: []templateFault{{Text: "Look at " + inUse(used) + " in the list of versions. To store yours nevertheless, save again."}}}
		return p.writeTemplate(c, http.StatusConflict, key, used, v)
	}
	if form.text() == used.TemplateText {
		ledger.ChangeOf(c.Ctx()).Void()
		return c.Redirect(site.TemplatePath(key) + "?done=unchanged")
	}
	_, err = p.cfg.Templates.Put(c.Ctx(), key, form.text())
	return p.afterPut(c, key, used, form, err)
}

// afterPut answers a form that stores a version.
func (p *Pages) afterPut(c *site.Call, key schoolbell.TemplateKey, used schoolbell.Template, form templateForm, err error) error {
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		v := templateView{Form: form, Wrong: "Nothing is stored yet"}
		return p.refuseTemplate(c, key, used, v, err)
	}
	if err != nil {
		return err
	}
	return c.Redirect(site.TemplatePath(key) + "?done=stored")
}

// refuseTemplate shows the form again with what is wrong with it.
func (p *Pages) refuseTemplate(c *site.Call, key schoolbell.TemplateKey, used schoolbell.Template, v templateView, err error) error {
	v.Fields = templateFields(key.Channel, v.Form)
	v.Summary = noted(v.Fields, err)
	return p.writeTemplate(c, http.StatusUnprocessableEntity, key, used, v)
}

// restoreTemplate stores the text of an earlier version as a new one.
func (p *Pages) restoreTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	old, err := p.templateVersion(c.Ctx(), key, c.Form.Get("version"))
	if err != nil {
		return err
	}
	_, err = p.cfg.Templates.Put(c.Ctx(), key, old.TemplateText)
	form := formOfTemplate(old)
	form.Base = version(used)
	return p.afterPut(c, key, used, form, err)
}

// askResetTemplate asks before the standard template is used again.
func (p *Pages) askResetTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	if used.Version == 0 {
		return c.Redirect(site.TemplatePath(key) + "?done=unchanged")
	}
	n, err := p.site.Names(c.Ctx())
	if err != nil {
		return err
	}
	title := templateTitle(n, key)
	return p.site.Confirm(c, "templates", []site.Crumb{{Name: "Templates", Path: "templates"}, {Name: title, Path: site.TemplatePath(key)}}, site.Confirmation{
		Title: "Standard template", Question: "Use the standard template again?", About: title,
		Says:  []string{"Events that start more than three seconds from now use it. The texts of the school stay in the list of versions and can be restored."},
		Facts: []site.Fact{{Name: "In use", Text: site.StatusWord(inUse(used))}, {Name: "Stored", When: p.site.When(used.CreatedAt)}},
		Keep:  "Keep the school's own", Back: site.TemplatePath(key), Do: "Use the standard template", Harmless: true,
	})
}

// resetTemplate goes back to the standard template.
func (p *Pages) resetTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	if used.Version == 0 {
		ledger.ChangeOf(c.Ctx()).Void()
		return c.Redirect(site.TemplatePath(key) + "?done=unchanged")
	}
	if err := p.cfg.Templates.Reset(c.Ctx(), key); err != nil {
		return err
	}
	return c.Redirect(site.TemplatePath(key) + "?done=standard")
}

// inUse says which version is used.
func inUse(t schoolbell.Template) string {
	if t.Version == 0 {
		return "the standard template"
	}
	return "version " + version(t)
}

func (p *Pages) writeTemplate(c *site.Call, status int, key schoolbell.TemplateKey, used schoolbell.Template, v templateView) (err error) {
	v.Path, v.Email, v.Own, v.InUse = site.TemplatePath(key), key.Channel == schoolbell.ChannelEmail, used.Version > 0, inUse(used)
	if v.Fields == nil {
		v.Fields = templateFields(key.Channel, v.Form)
	}
	if v.Email {
		v.Tests, v.To = p.cfg.Templates.Emails(), c.Account.Email
	}
	if v.Languages, err = p.templateLanguages(c.Ctx(), key); err != nil {
		return err
	}
	if v.Versions, err = p.templateVersions(c.Ctx(), key); err != nil {
		return err
	}
	if v.Shown, err = p.shown(c.Ctx(), key, v.Form); err != nil {
		return err
	}
	v.Shown.Stored = c.R.Method == http.MethodGet
	n, err := p.site.Names(c.Ctx())
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Security-Policy", site.FramePolicy)
	return p.site.Write(c, templatePage, site.Spec{Title: templateTitle(n, key), Path: "templates", Crumbs: []site.Crumb{{Name: "Templates", Path: "templates"}}, Status: status}, v)
}

// templateLanguages are the languages that any template of the channel has, and that of the page.
func (p *Pages) templateLanguages(ctx context.Context, key schoolbell.TemplateKey) (links []templateLanguage, err error) {
	list, err := p.cfg.Templates.List(ctx)
	if err != nil {
		return nil, err
	}
	current := false
	for _, tag := range newTemplateGrid(list).languages {
		other := key
		other.Locale = tag
		links = append(links, templateLanguage{site.LanguageName(tag), site.TemplatePath(other), tag == key.Locale})
		current = current || tag == key.Locale
	}
	if !current {
		links = append(links, templateLanguage{site.LanguageName(key.Locale), site.TemplatePath(key), true})
	}
	return links, nil
}

func (p *Pages) templateVersions(ctx context.Context, key schoolbell.TemplateKey) (rows []templateVersion, err error) {
	found, err := p.cfg.Templates.Versions(ctx, key, 0, shownVersions)
	if err != nil {
		return nil, err
	}
	for i, t := range found {
		rows = append(rows, templateVersion{version(t), p.site.When(t.CreatedAt), t.Reset, i == 0})
	}
	return rows, nil
}
