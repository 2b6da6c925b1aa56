package settings

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
)

var (
	categoriesPage = parse("settings.html", "categories.html", "categoryform.html")
	categoryPage   = parse("settings.html", "category.html", "categoryform.html")
)

// categoriesView is the list of categories, and the form of a new one.
type categoriesView struct {
	Rows []categoryRow
	New  categoryForm
}

// categoryRow is a category in the list.
type categoryRow struct {
	Badge              site.CategoryBadge
	ID, Lane, Channels string
	Mandatory          bool
}

// categoryForm is the form of a category.
type categoryForm struct {
	site.Faults
	ID, Name, Position string
	Mandatory, BuiltIn bool
	Lanes, Channels    []site.Option
}

var categoryFields = site.Fields{{Field: "id", Label: "Id"}, {Field: "name", Label: "Name"}, {Field: "lane", Label: "Lane"},
	{Field: "channels", Label: "Channels"}, {Field: "position", Label: "Position"}}

func (p *Pages) newCategoryForm(info schoolbell.CategoryInfo, position string) categoryForm {
	f := categoryForm{ID: string(info.ID), Name: info.Name, Position: position, Mandatory: info.Mandatory, BuiltIn: info.BuiltIn}
	for _, lane := range schoolbell.Lanes() {
		f.Lanes = append(f.Lanes, site.Option{Value: string(lane), Name: site.StatusWord(string(lane)), Current: lane == info.Lane})
	}
	for _, ch := range p.cfg.Channels {
		f.Channels = append(f.Channels, site.Option{Value: string(ch), Name: site.ChannelName(ch), Current: slices.Contains(info.Channels, ch)})
	}
	return f
}

func (p *Pages) listCategories(c *site.Call) error {
	all, err := p.cfg.Categories.Categories(c.Ctx())
	if err != nil {
		return err
	}
	next := schoolbell.CategoryInfo{Lane: schoolbell.LaneNormal, Channels: schoolbell.DefaultChannels()}
	for _, info := range all {
		next.Position = max(next.Position, info.Position)
	}
	return p.writeCategories(c, http.StatusOK, p.newCategoryForm(next, strconv.Itoa(next.Position+10)))
}

func (p *Pages) writeCategories(c *site.Call, status int, form categoryForm) error {
	all, err := p.cfg.Categories.Categories(c.Ctx())
	if err != nil {
		return err
	}
	names := site.Names{Categories: make(map[schoolbell.Category]schoolbell.CategoryInfo, len(all))}
	for _, info := range all {
		names.Categories[info.ID] = info
	}
	v := categoriesView{New: form}
	for _, info := range all {
		var channels []string
		for _, ch := range info.Channels {
			channels = append(channels, site.ChannelName(ch))
		}
		v.Rows = append(v.Rows, categoryRow{names.Category(info.ID), string(info.ID), site.StatusWord(string(info.Lane)), strings.Join(channels, ", "), info.Mandatory})
	}
	return p.writeSettings(c, categoriesPage, "settings/categories", status, v)
}

// readCategory is the category that a form describes. A position that is no number is out of range.
func readCategory(form url.Values, id string) (info schoolbell.CategoryInfo, position string) {
	position = strings.TrimSpace(form.Get("position"))
	n, err := strconv.Atoi(position)
	if err != nil {
		n = -1
	}
	return schoolbell.CategoryInfo{ID: schoolbell.Category(id), Name: strings.TrimSpace(form.Get("name")), Mandatory: form.Get("mandatory") != "",
		Lane: schoolbell.Lane(form.Get("lane")), Channels: site.Typed[schoolbell.Channel](form["channels"]), Position: n}, position
}

func (p *Pages) addCategory(c *site.Call) error {
	info, position := readCategory(c.Form, strings.TrimSpace(c.Form.Get("id")))
	ledger.ChangeOf(c.Ctx()).Target(string(info.ID))
	_, err := p.cfg.Categories.Category(c.Ctx(), info.ID)
	switch {
	case err == nil:
		err = schoolbell.Invalid("id", "another category has this id")
	case schoolbell.CodeOf(err) == schoolbell.CodeNotFound:
		_, _, err = p.cfg.Categories.PutCategory(c.Ctx(), info)
	}
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		form := p.newCategoryForm(info, position)
		form.Faults = categoryFields.Faults(fault)
		return p.writeCategories(c, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return c.Redirect("settings/categories?done=category")
}

func (p *Pages) editCategory(c *site.Call) error {
	info, err := p.cfg.Categories.Category(c.Ctx(), schoolbell.Category(c.R.PathValue("id")))
	if err != nil {
		return err
	}
	return p.writeCategory(c, http.StatusOK, p.newCategoryForm(info, strconv.Itoa(info.Position)))
}

func (p *Pages) writeCategory(c *site.Call, status int, form categoryForm) error {
	spec := site.Spec{Title: cmp.Or(form.Name, form.ID), Path: "settings", Status: status, Crumbs: []site.Crumb{toSettings, toCategories}}
	return p.site.Write(c, categoryPage, spec, settingsView{settingsSections, "settings/categories", form})
}

func (p *Pages) putCategory(c *site.Call) error {
	stored, err := p.cfg.Categories.Category(c.Ctx(), schoolbell.Category(c.R.PathValue("id")))
	if err != nil {
		return err
	}
	info, position := readCategory(c.Form, string(stored.ID))
	info.BuiltIn = stored.BuiltIn
	_, _, err = p.cfg.Categories.PutCategory(c.Ctx(), info)
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		form := p.newCategoryForm(info, position)
		form.Faults = categoryFields.Faults(fault)
		return p.writeCategory(c, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return c.Redirect("settings/categories?done=category")
}

var toCategories = site.Crumb{Name: "Categories", Path: "settings/categories"}

// askRemoveCategory asks before a category is removed, or says why it cannot be.
func (p *Pages) askRemoveCategory(c *site.Call) error {
	info, err := p.cfg.Categories.Category(c.Ctx(), schoolbell.Category(c.R.PathValue("id")))
	if err != nil {
		return err
	}
	use, err := p.cfg.Categories.CategoryUse(c.Ctx(), info.ID)
	if err != nil {
		return err
	}
	name, back := cmp.Or(info.Name, string(info.ID)), "settings/categories/"+url.PathEscape(string(info.ID))
	ask := site.Confirmation{Title: "Remove", Question: "Remove this category?", About: name, Keep: "Keep the category", Back: back, Do: "Remove the category",
		Facts: []site.Fact{{Name: "Id", Text: string(info.ID), Code: true}, {Name: "Events", Text: site.Number(use.Events)}, {Name: "Templates", Text: site.Number(use.Templates)},
			{Name: "People who chose", Text: site.Number(use.People)}}}
	switch {
	case info.BuiltIn:
		ask.Question, ask.Says, ask.Keep, ask.Do = cannotRemove, []string{"It is built in."}, backToCategory, ""
	case use.Events > 0:
		ask.Question, ask.Says, ask.Keep, ask.Do = cannotRemove, []string{site.Count(use.Events, "event uses", "events use") + " it. A category can be removed once retention has removed all its events."}, backToCategory, ""
	default:
		ask.Says = []string{"New events that name it are refused." + categoryLosses(use)}
	}
	return p.site.Confirm(c, "settings", []site.Crumb{toSettings, toCategories, {Name: name, Path: back}}, ask)
}

const (
	cannotRemove   = "This category cannot be removed"
	backToCategory = "Back to the category"
)

// categoryLosses says what is removed together with a category.
func categoryLosses(use schoolbell.CategoryUse) string {
	var lost []string
	if use.Templates > 0 {
		lost = append(lost, site.Count(use.Templates, "template", "templates")+" with all versions")
	}
	if use.People > 0 {
		lost = append(lost, "what "+site.Count(use.People, "person has", "people have")+" chosen about it")
	}
	if len(lost) == 0 {
		return ""
	}
	return " Removed with it: " + site.Join(lost) + "."
}

// removeCategory removes a category. One that events use, or that is built in, stays, and the page says why.
func (p *Pages) removeCategory(c *site.Call) error {
	id := schoolbell.Category(c.R.PathValue("id"))
	info, err := p.cfg.Categories.Category(c.Ctx(), id)
	if err != nil {
		return err
	}
	err = p.cfg.Categories.DeleteCategory(c.Ctx(), id)
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		form := p.newCategoryForm(info, strconv.Itoa(info.Position))
		form.Faults = categoryFields.Faults(fault)
		return p.writeCategory(c, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return c.Redirect("settings/categories?done=category-removed")
}
