package panel

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"schoolbell"
	"schoolbell/internal/panel/site"
)

// textLanguages are the languages that the form offers for texts. The API takes any.
var textLanguages = []string{"ar", "bn", "de", "en", "es", "fa", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ro", "ru", "so", "sq", "tr", "uk", "ur", "vi", "zh"}

// languagesFor are the languages that a form has no text in.
func (s *Server) languagesFor(form composeForm) (offered []string) {
	for _, language := range textLanguages {
		if language != s.cfg.Settings().Language && !form.has(language) {
			offered = append(offered, language)
		}
	}
	return offered
}

func (f composeForm) has(language string) bool {
	return slices.ContainsFunc(f.Texts, func(t composeText) bool { return strings.EqualFold(t.Language, language) })
}

// composeStep shows the form of a new event with what a button of it adds or removes.
func (s *Server) composeStep(c *site.Call) error {
	if c.R.Header.Get("HX-Target") == "count" { // a page that counts sends it to where the button that was pressed last leads
		return s.countComposed(c)
	}
	form := readComposeForm(c.Form)
	urgent, err := s.formUrgent(c, form)
	if err != nil {
		return err
	}
	form.step(c.Form, s.cfg.Settings().Language)
	v := composeView{Form: form, Urgent: urgent, Step: c.ShownRoot() + "compose/form", Picked: stepPicks(c.Form)}
	if part := s.stepPart(c); part != "" {
		return s.writePart(c, part, v)
	}
	if a := form.audience(); !a.Empty() || !a.GuardiansOf.Empty() {
		if v.Count, err = s.countOf(c, form); err != nil {
			return err
		}
	}
	return s.writeCompose(c, http.StatusOK, v)
}

// step does to a form what the button says with which it was sent: it adds or removes a text or somebody.
// school is the language of the school.
func (f *composeForm) step(form url.Values, school string) {
	f.takeReady(form, school)
	f.pick(form.Get("pick"), form.Get("unpick"))
	if drop := form.Get("drop"); drop != "" {
		f.Texts = slices.DeleteFunc(f.Texts, func(t composeText) bool { return t.Language == drop })
	}
	if add := schoolbell.NormalizeLanguage(form.Get("language")); form.Get("text") == "add" && schoolbell.ValidateLanguage(add) == nil && !f.has(add) && len(f.Texts) < schoolbell.MaxTexts {
		f.Texts = append(f.Texts, composeText{Language: add})
	}
}

// stepPicks reports whether a button has added or removed somebody.
func stepPicks(form url.Values) bool { return form.Has("pick") || form.Has("unpick") }

// stepPart is the part of a form that a page wants back which follows it: whom it names, or what its search finds.
func (s *Server) stepPart(c *site.Call) string {
	switch target := c.R.Header.Get("HX-Target"); {
	case c.R.Header.Get("HX-Request") == "":
		return ""
	case target == "picks" || target == "found":
		return target
	}
	return ""
}

// writePart answers with a part of a form. The page counts again whom the form names.
func (s *Server) writePart(c *site.Call, part string, v composeView) error {
	v.Picked = stepPicks(c.Form)
	if v.Picked {
		c.W.Header().Set("HX-Trigger-After-Swap", "picked")
	}
	if err := s.offerWho(c, &v); err != nil {
		return err
	}
	return s.site.Render(c, http.StatusOK, composePage, part+"-alone", site.Page{View: v})
}
