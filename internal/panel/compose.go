package panel

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/datatable"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/preview"
	"schoolbell/internal/staff"
)

var composePage = parse("compose.html", "count.html", "composefields.html", "composewho.html")

// confirmWord is what people type before an urgent event is sent.
const confirmWord = "SEND"

// composeView is the form of a new event, and beside it what the event would do.
type composeView struct {
	Form       composeForm
	Urgent     bool
	Categories []site.Option
	Roles      []site.Option
	Groups     []groupChoice
	MoreGroups bool // there are more than the form offers
	Channels   []channelChoice
	Faults     map[string]string // by field
	Summary    []site.FieldFault
	Count      countView
	Saved      savedView // the draft of the form
	Root       string    // relative URL of the panel
	Offered    []string  // languages that texts can be added for
	Step       string    // relative URL that shows the form again with something added or removed
	Picks      []pick    // people whom the form names, and whom it leaves out
	Found      foundView
	Picked     bool // somebody was just added or removed
}

// Refused is the heading over what is wrong with the form.
func (v composeView) Refused() string { return "The event was not created" }

// DataNames are the names under which messages have the data of single people.
func (v composeView) DataNames() []string {
	_, names, _ := datatable.Read(v.Form.Personal)
	return names
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

func (s *Server) showCompose(c *site.Call) error {
	categories, err := s.cfg.School.Categories(c.Ctx())
	if err != nil {
		return err
	}
	form := composeForm{Key: rand.Text()}
	offered := offeredCategories(categories, false)
	if len(offered) > 0 {
		form.Category = string(offered[0].ID)
		form.Channels = site.Typed[string](offered[0].Channels)
	}
	return s.writeCompose(c, http.StatusOK, composeView{Form: form})
}

func (s *Server) showUrgent(c *site.Call) error {
	if !c.Account.MayUrgent() {
		return noUrgent()
	}
	categories, err := s.cfg.School.Categories(c.Ctx())
	if err != nil {
		return err
	}
	form := composeForm{Key: rand.Text(), Channels: site.Typed[string](s.cfg.Channels)}
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
func (s *Server) formUrgent(c *site.Call, form composeForm) (bool, error) {
	categories, err := s.cfg.School.Categories(c.Ctx())
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(categories, func(info schoolbell.CategoryInfo) bool { return string(info.ID) == form.Category })
	urgent := i >= 0 && categories[i].Lane == schoolbell.LaneUrgent
	if urgent && !c.Account.MayUrgent() {
		return false, noUrgent()
	}
	return urgent, nil
}

// countComposed tells what the event of a form would do. A page that follows the form gets only the part that changes.
func (s *Server) countComposed(c *site.Call) error {
	form := readComposeForm(c.Form)
	urgent, err := s.formUrgent(c, form)
	if err != nil {
		return err
	}
	v := composeView{Form: form, Urgent: urgent}
	if v.Count, err = s.countOf(c, form); err != nil {
		return err
	}
	if c.R.Header.Get("HX-Request") != "" {
		return s.site.Render(c, http.StatusOK, composePage, "counted", s.site.NewPage(c, "", v))
	}
	return s.writeCompose(c, http.StatusOK, v)
}

// countOf previews the event of a form. A title and a text that are not written yet do not keep people from being counted.
func (s *Server) countOf(c *site.Call, form composeForm) (countView, error) {
	ev, faults := form.event(s.site.Zone())
	outside, err := s.checkAudience(c, &ev.Audience, ev.Personal)
	if err != nil {
		return countView{}, err
	}
	faults = append(faults, outside...)
	written := form.Title != "" && form.Body != ""
	ev.Title, ev.Body = cmp.Or(ev.Title, "Title"), cmp.Or(ev.Body, "Text")
	if len(faults) > 0 {
		return countView{Problems: summaryOf(composeFaults(faults.Err()))}, nil
	}
	found, err := s.cfg.Previews.Preview(c.Ctx(), ev, preview.Options{})
	switch {
	case schoolbell.CodeOf(err) == schoolbell.CodeInvalid:
		return countView{Problems: summaryOf(composeFaults(err))}, nil
	case err != nil:
		return countView{}, err
	}
	return s.newCount(c, found, written)
}

// sendComposed creates the event of a form. The same form creates one event however often it is sent.
func (s *Server) sendComposed(c *site.Call) error {
	form := readComposeForm(c.Form)
	if !schoolbell.ValidID(form.Key) {
		return schoolbell.Invalid("form", "cannot be read: it has no key")
	}
	urgent, err := s.formUrgent(c, form)
	if err != nil {
		return err
	}
	ev, faults := form.event(s.site.Zone())
	if urgent && form.Confirm != confirmWord {
		faults.Add("confirm", "type %s to confirm", confirmWord)
	}
	outside, err := s.checkAudience(c, &ev.Audience, ev.Personal)
	if err != nil {
		return err
	}
	faults = append(faults, outside...)
	if len(faults) > 0 {
		ev.Normalize()
		if err := ev.Validate(s.site.Now()); err != nil {
			faults = append(faults, schoolbell.FaultsOf(err)...)
		}
		return s.refuseComposed(c, composeView{Form: form, Urgent: urgent}, faults.Err())
	}
	if shown := c.Form.Get("counted"); shown != "" {
		if count, err := s.countOf(c, form); err == nil && count.Counted && strconv.Itoa(count.People) != shown {
			return s.refuseComposed(c, composeView{Form: form, Urgent: urgent, Count: count}, otherCount(count.People))
		}
	}
	ev.CreatedWithin = c.Account.Groups
	ev.CreatedBy = auth.PrincipalOf(c.Ctx()).Actor()
	ledger.ChangeOf(c.Ctx()).Set("category", ev.Category)
	ledger.ChangeOf(c.Ctx()).Set("channels", ev.Channels)
	idem := ledger.Idempotency{Scope: staff.EventScope(c.Account.ID), Key: form.Key}
	if idem.Fingerprint, err = form.fingerprint(); err != nil {
		return err
	}
	stored, replayed, err := s.cfg.Pipeline.Create(c.Ctx(), ev, idem)
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		return s.refuseComposed(c, composeView{Form: form, Urgent: urgent}, err)
	}
	if err != nil {
		return err
	}
	if replayed {
		ledger.ChangeOf(c.Ctx()).Void()
	}
	s.dropDraft(c, form.Key)
	return c.Redirect("events/" + url.PathEscape(stored.ID) + "?done=created")
}

// otherCount is what a form is told whose audience has changed since its page has said how many people are in it.
func otherCount(now int) error {
	return schoolbell.Invalid(countFault, "the audience has changed since it was counted: it is now %s. Look at the number and send again", site.Count(now, "person", "people"))
}

// refuseComposed shows a form again with what is wrong with it. A form that was sent before gets another key, so that what it
// says now can be sent as another event.
func (s *Server) refuseComposed(c *site.Call, v composeView, err error) error {
	v.Faults = composeFaults(err)
	v.Summary = summaryOf(v.Faults)
	if v.Faults[site.WholeForm] != "" {
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

func (s *Server) writeCompose(c *site.Call, status int, v composeView) error {
	categories, err := s.cfg.School.Categories(c.Ctx())
	if err != nil {
		return err
	}
	for _, info := range offeredCategories(categories, v.Urgent) {
		v.Categories = append(v.Categories, site.Option{Value: string(info.ID), Name: info.Name, Current: string(info.ID) == v.Form.Category})
	}
	if err := s.offer(c, &v); err != nil {
		return err
	}
	v.Root, v.Offered, v.Step = c.Root(), s.languagesFor(v.Form), c.Root()+"compose/form"
	spec := site.Spec{Title: "New event", Path: "events", Crumbs: []site.Crumb{{Name: "Events", Path: "events"}}, Status: status}
	if v.Urgent {
		spec.Title = "Urgent event"
	}
	return s.site.Write(c, composePage, spec, v)
}

// offer fills in what a form can choose from.
func (s *Server) offer(c *site.Call, v *composeView) error {
	for _, r := range s.offeredRoles(c) {
		v.Roles = append(v.Roles, site.Option{Value: string(r), Name: site.StatusWord(site.RoleWord(r)), Current: slices.Contains(v.Form.Roles, string(r))})
	}
	for _, ch := range s.cfg.Channels {
		v.Channels = append(v.Channels, channelChoice{string(ch), site.ChannelName(ch), site.ChannelIcon(ch), slices.Contains(v.Form.Channels, string(ch))})
	}
	return s.offerWho(c, v)
}
