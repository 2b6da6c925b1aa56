package panel

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/internal/preview"
)

var composePage = parse("compose.html")

const (
	shownGroups = 200    // that the form offers
	confirmWord = "SEND" // that people type before an urgent event is sent
)

// composeView is the form of a new event, and beside it what the event would do.
type composeView struct {
	Form       composeForm
	Urgent     bool
	Categories []option
	Roles      []option
	Groups     []groupChoice
	MoreGroups bool // there are more than the form offers
	Channels   []channelChoice
	Faults     map[string]string // by field
	Summary    []fieldFault
	Count      countView
}

// groupChoice offers the members of a group and the guardians of those of them who are students.
type groupChoice struct {
	ID, Name, Kind     string
	Members, Guardians bool // are chosen
}

// channelChoice offers a channel.
type channelChoice struct {
	Value, Name, Icon string
	Current           bool
}

func (s *Server) showCompose(c *call) error {
	categories, err := s.cfg.School.Categories(c.ctx())
	if err != nil {
		return err
	}
	form := composeForm{Key: rand.Text()}
	offered := offeredCategories(categories, false)
	if len(offered) > 0 {
		form.Category = string(offered[0].ID)
		form.Channels = typed[string](offered[0].Channels)
	}
	return s.writeCompose(c, http.StatusOK, composeView{Form: form})
}

func (s *Server) showUrgent(c *call) error {
	if !c.account.MayUrgent() {
		return noUrgent()
	}
	categories, err := s.cfg.School.Categories(c.ctx())
	if err != nil {
		return err
	}
	form := composeForm{Key: rand.Text(), Channels: typed[string](s.cfg.Channels)}
	if offered := offeredCategories(categories, true); len(offered) > 0 {
		form.Category = string(offered[0].ID)
	}
	return s.writeCompose(c, http.StatusOK, composeView{Form: form, Urgent: true})
}

func noUrgent() error {
	return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "your account may not send urgent events"}
}

// offeredCategories are the categories of a lane that people may choose. Digests are made by the program.
func offeredCategories(all []schoolbell.CategoryInfo, urgent bool) (offered []schoolbell.CategoryInfo) {
	for _, info := range all {
		if (info.Lane == schoolbell.LaneUrgent) == urgent && info.ID != schoolbell.CategoryDigest {
			offered = append(offered, info)
		}
	}
	return offered
}

// formUrgent reports whether the category of a form is urgent. It is an error if the account may not send such events.
func (s *Server) formUrgent(c *call, form composeForm) (bool, error) {
	categories, err := s.cfg.School.Categories(c.ctx())
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(categories, func(info schoolbell.CategoryInfo) bool { return string(info.ID) == form.Category })
	urgent := i >= 0 && categories[i].Lane == schoolbell.LaneUrgent
	if urgent && !c.account.MayUrgent() {
		return false, noUrgent()
	}
	return urgent, nil
}

// countComposed tells what the event of a form would do. A page that follows the form gets only the part that changes.
func (s *Server) countComposed(c *call) error {
	form := readComposeForm(c.form)
	urgent, err := s.formUrgent(c, form)
	if err != nil {
		return err
	}
	v := composeView{Form: form, Urgent: urgent}
	if v.Count, err = s.countOf(c.ctx(), form); err != nil {
		return err
	}
	if c.r.Header.Get("HX-Request") != "" {
		return s.render(c, http.StatusOK, composePage, "counted", s.newPage(c, "", v))
	}
	return s.writeCompose(c, http.StatusOK, v)
}

// countOf previews the event of a form. A title and a text that are not written yet do not keep people from being counted.
func (s *Server) countOf(ctx context.Context, form composeForm) (countView, error) {
	ev, faults := form.event(s.zone())
	written := form.Title != "" && form.Body != ""
	ev.Title, ev.Body = firstOf(ev.Title, "Title"), firstOf(ev.Body, "Text")
	if len(faults) > 0 {
		return countView{Problems: summaryOf(composeFaults(faults.Err()))}, nil
	}
	found, err := s.cfg.Previews.Preview(ctx, ev, preview.Options{})
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeInvalid:
		return countView{Problems: summaryOf(composeFaults(err))}, nil
	case err != nil:
		return countView{}, err
	}
	return s.newCount(found, written), nil
}

// sendComposed creates the event of a form. The same form creates one event however often it is sent.
func (s *Server) sendComposed(c *call) error {
	form := readComposeForm(c.form)
	if !schoolbell.ValidID(form.Key) {
		return schoolbell.Invalid("form", "cannot be read: it has no key")
	}
	urgent, err := s.formUrgent(c, form)
	if err != nil {
		return err
	}
	ev, faults := form.event(s.zone())
	if urgent && form.Confirm != confirmWord {
		faults.Add("confirm", "type %s to confirm", confirmWord)
	}
	if len(faults) > 0 {
		ev.Normalize()
		if err := ev.Validate(s.now()); err != nil {
			faults = append(faults, schoolbell.FaultsOf(err)...)
		}
		return s.refuseComposed(c, composeView{Form: form, Urgent: urgent}, faults.Err())
	}
	ev.CreatedBy = auth.PrincipalOf(c.ctx()).Actor()
	ledger.ChangeOf(c.ctx()).Set("category", ev.Category)
	ledger.ChangeOf(c.ctx()).Set("channels", ev.Channels)
	idem := ledger.Idempotency{Scope: "staff/" + c.account.ID, Key: form.Key}
	if idem.Fingerprint, err = form.fingerprint(); err != nil {
		return err
	}
	stored, replayed, err := s.cfg.Pipeline.Create(c.ctx(), ev, idem)
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		return s.refuseComposed(c, composeView{Form: form, Urgent: urgent}, err)
	}
	if err != nil {
		return err
	}
	if replayed {
		ledger.ChangeOf(c.ctx()).Void()
	}
	return c.redirect("events/" + url.PathEscape(stored.ID) + "?done=created")
}

// refuseComposed shows a form again with what is wrong with it. A form that was sent before gets another key, so that what it
// says now can be sent as another event.
func (s *Server) refuseComposed(c *call, v composeView, err error) error {
	v.Faults = composeFaults(err)
	v.Summary = summaryOf(v.Faults)
	if v.Faults[keyFault] != "" {
		v.Form.Key = rand.Text()
	}
	return s.writeCompose(c, http.StatusUnprocessableEntity, v)
}

// fingerprint is the same for forms that say the same. The key and the word that confirms a form are not part of what it says.
func (f composeForm) fingerprint() (string, error) {
	f.Key, f.Confirm = "", ""
	said, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(said)
	return hex.EncodeToString(sum[:]), nil
}

func (s *Server) writeCompose(c *call, status int, v composeView) error {
	categories, err := s.cfg.School.Categories(c.ctx())
	if err != nil {
		return err
	}
	for _, info := range offeredCategories(categories, v.Urgent) {
		v.Categories = append(v.Categories, option{string(info.ID), info.Name, string(info.ID) == v.Form.Category})
	}
	for _, r := range schoolbell.Roles() {
		v.Roles = append(v.Roles, option{string(r), statusWord(roleWord(r)), slices.Contains(v.Form.Roles, string(r))})
	}
	for _, ch := range s.cfg.Channels {
		v.Channels = append(v.Channels, channelChoice{string(ch), channelName(ch), channelIcon(ch), slices.Contains(v.Form.Channels, string(ch))})
	}
	groups, err := s.cfg.Groups.Groups(c.ctx(), "", shownGroups+1)
	if err != nil {
		return err
	}
	v.MoreGroups = len(groups) > shownGroups
	for _, g := range groups[:min(len(groups), shownGroups)] {
		v.Groups = append(v.Groups, groupChoice{g.ID, g.Name, string(g.Kind), slices.Contains(v.Form.Groups, g.ID), slices.Contains(v.Form.Guardians, g.ID)})
	}
	title := "New event"
	if v.Urgent {
		title = "Urgent event"
	}
	return s.write(c, composePage, pageSpec{title: title, path: "events", crumbs: []crumb{{"Events", "events"}}, status: status}, v)
}
