package templateeditor

import (
	"schoolbell"
	"schoolbell/internal/panel/linediff"
	"schoolbell/internal/panel/site"
)

var comparePage = parse("templatecompare.html")

// compareView is what differs between a version of a template and the text in use.
type compareView struct {
	Path, Version, InUse string
	Fields               []compareField
	Same                 bool
}

// compareField is what differs in a field.
type compareField struct {
	Name, Label    string
	Added, Removed int
	Lines          []linediff.Line
}

// compareTemplate compares an earlier version with the text in use.
func (p *Pages) compareTemplate(c *site.Call) error {
	key, used, err := p.templateOf(c)
	if err != nil {
		return err
	}
	wanted := c.R.URL.Query().Get("version")
	old, err := p.templateVersion(c.Ctx(), key, wanted)
	if err != nil {
		return err
	}
	n, err := p.site.Names(c.Ctx())
	if err != nil {
		return err
	}
	v := compareView{Path: site.TemplatePath(key), Version: wanted, InUse: inUse(used), Same: true}
	from, to := templateFields(key.Channel, formOfTemplate(old)), templateFields(key.Channel, formOfTemplate(used))
	for i := range from {
		f := newCompareField(from[i], to[i])
		v.Same = v.Same && f.Added+f.Removed == 0
		v.Fields = append(v.Fields, f)
	}
	crumbs := []site.Crumb{{Name: "Templates", Path: "templates"}, {Name: templateTitle(n, key), Path: v.Path}}
	return p.site.Write(c, comparePage, site.Spec{Title: "Compare", Path: "templates", Crumbs: crumbs}, v)
}

func newCompareField(from, to templateField) compareField {
	f := compareField{Name: from.Name, Label: from.Label, Lines: linediff.Lines(from.Value, to.Value)}
	for _, d := range f.Lines {
		switch d.Mark {
		case linediff.Added:
			f.Added++
		case linediff.Removed:
			f.Removed++
		}
	}
	return f
}

// templateTitle names a template.
func templateTitle(n site.Names, key schoolbell.TemplateKey) string {
	return n.Category(key.Category).Name + ", " + site.ChannelName(key.Channel) + ", " + site.LanguageName(key.Locale)
}
