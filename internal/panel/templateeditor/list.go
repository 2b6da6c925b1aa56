package templateeditor

import (
	"net/url"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/templates"
)

var templatesPage = parse("templates.html")

// templatesView is the list of templates, by language.
type templatesView struct {
	Categories, Channels []site.Option
	Chips                []templateChip
	Languages            []string
	Rows                 []templateRow
}

// templateChip narrows the list to what needs to be looked at.
type templateChip struct {
	Name, URL string
	N         int
	Current   bool
}

// templateRow is a category on a channel.
type templateRow struct {
	Name, Icon, URL string
	Cells           []templateCell
	own, missing    int
}

// templateCell is a template of a row in a language.
type templateCell struct{ URL, Language, Status, Word, Note string }

func (p *Pages) listTemplates(c *site.Call) error {
	list, err := p.cfg.Templates.List(c.Ctx())
	if err != nil {
		return err
	}
	categories, err := p.cfg.Categories.Categories(c.Ctx())
	if err != nil {
		return err
	}
	query := c.R.URL.Query()
	category, channel, show := query.Get("category"), query.Get("channel"), query.Get("show")
	v := templatesView{Categories: []site.Option{{Value: "", Name: "All categories", Current: category == ""}}, Channels: []site.Option{{Value: "", Name: "All channels", Current: channel == ""}}}
	grid := newTemplateGrid(list)
	v.Languages = grid.names()
	counts := map[string]int{}
	for _, ch := range templates.Channels() {
		v.Channels = append(v.Channels, site.Option{Value: string(ch), Name: site.ChannelName(ch), Current: string(ch) == channel})
	}
	for _, info := range categories {
		v.Categories = append(v.Categories, site.Option{Value: string(info.ID), Name: info.Name, Current: string(info.ID) == category})
		for _, ch := range templates.Channels() {
			if (category != "" && category != string(info.ID)) || (channel != "" && channel != string(ch)) {
				continue
			}
			r := p.templateRow(grid, info, ch)
			counts[""]++
			if r.own > 0 {
				counts[showOwn]++
			}
			if r.missing > 0 {
				counts[showMissing]++
			}
			if show == "" || show == showOwn && r.own > 0 || show == showMissing && r.missing > 0 {
				v.Rows = append(v.Rows, r)
			}
		}
	}
	for _, chip := range []struct{ name, show string }{{"All", ""}, {"Changed by the school", showOwn}, {"Missing in a language", showMissing}} {
		v.Chips = append(v.Chips, templateChip{chip.name, templatesURL(category, channel, chip.show), counts[chip.show], show == chip.show})
	}
	return p.site.Write(c, templatesPage, site.Spec{Title: "Templates", Path: "templates"}, v)
}

// What the list of templates can be narrowed to.
const (
	showOwn     = "own"
	showMissing = "missing"
)

// templatesURL is the list of templates, relative to the panel.
func templatesURL(category, channel, show string) string {
	q := url.Values{}
	for name, value := range map[string]string{"category": category, "channel": channel, "show": show} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "templates"
	}
	return "templates?" + q.Encode()
}

// templateGrid finds templates by their names.
type templateGrid struct {
	languages []string
	known     map[schoolbell.TemplateKey]schoolbell.Template
}

func newTemplateGrid(list []schoolbell.Template) templateGrid {
	g := templateGrid{known: make(map[schoolbell.TemplateKey]schoolbell.Template, len(list))}
	seen := map[string]bool{}
	for _, t := range list {
		g.known[t.TemplateKey] = t
		if !seen[t.Locale] {
			seen[t.Locale] = true
			g.languages = append(g.languages, t.Locale)
		}
	}
	return g
}

func (g templateGrid) names() (names []string) {
	for _, tag := range g.languages {
		names = append(names, site.LanguageName(tag))
	}
	return names
}

func (p *Pages) templateRow(g templateGrid, info schoolbell.CategoryInfo, ch schoolbell.Channel) templateRow {
	r := templateRow{Name: info.Name + ", " + site.ChannelName(ch), Icon: site.ChannelIcon(ch)}
	for _, tag := range g.languages {
		key := schoolbell.TemplateKey{Category: info.ID, Channel: ch, Locale: tag}
		t, known := g.known[key]
		cell := templateCell{URL: site.TemplatePath(key), Language: site.LanguageName(tag)}
		switch {
		case t.Version > 0:
			cell.Status, cell.Word, cell.Note = "sent", "The school's", "version "+strconv.FormatInt(t.Version, 10)+", "+p.site.When(t.CreatedAt).Text
			r.own++
		case !known:
			cell.Status, cell.Word, cell.Note = "held", "Missing", "a standard one is used"
			r.missing++
		case !info.BuiltIn && g.known[schoolbell.TemplateKey{Category: schoolbell.CategoryAnnouncement, Channel: ch, Locale: tag}].Version > 0:
			cell.Word = "As announcements"
		default:
			cell.Word = "Standard"
		}
		r.Cells = append(r.Cells, cell)
	}
	if len(r.Cells) > 0 {
		r.URL = r.Cells[0].URL
	}
	return r
}

// openTemplate leads to the template that a form names, also of a language that has none yet.
func (p *Pages) openTemplate(c *site.Call) error {
	query := c.R.URL.Query()
	key, err := p.cfg.Templates.Key(c.Ctx(), schoolbell.Category(query.Get("category")), schoolbell.Channel(query.Get("channel")), strings.TrimSpace(query.Get("language")))
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return schoolbell.Invalid("language", "must be a tag such as pt or pt-BR")
	}
	if err != nil {
		return err
	}
	return c.Redirect(site.TemplatePath(key))
}
