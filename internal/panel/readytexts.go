package panel

import (
	"net/url"

	"schoolbell/internal/panel/ready"
	"schoolbell/internal/panel/site"
)

// What buttons beside the ready texts do.
const (
	readyTranslated = "translated" // adds the texts in the other languages
	readyBack       = "back"       // puts back what a ready text has replaced
)

// takeReady does to a form what a button of the ready texts says. What people have written themselves can be put back.
func (f *composeForm) takeReady(form url.Values, school string) {
	switch press := form.Get("ready"); press {
	case "":
	case readyBack:
		f.Title, f.Body = f.Was.Title, f.Was.Body
		f.Ready, f.Was = "", composeText{}
	case readyTranslated:
		f.translateReady(school)
	default:
		f.fillReady(ready.Find(press), school)
	}
}

// fillReady makes a ready text that of a form, also in the languages that the form has texts in.
func (f *composeForm) fillReady(r ready.Text, school string) {
	if r.ID == "" {
		return
	}
	own := composeText{Title: f.Title, Body: f.Body}
	if last := ready.Find(f.Ready).For(school); (own.Title != "" || own.Body != "") && (own.Title != last.Title || own.Body != last.Body) {
		f.Was = own
	}
	text := r.For(school)
	f.Ready, f.Title, f.Body = r.ID, text.Title, text.Body
	for i, t := range f.Texts {
		if translated, ok := r.In[t.Language]; ok {
			f.Texts[i] = composeText(translated)
		}
	}
}

// translateReady adds the ready text of a form in the languages that the form has no text in.
func (f *composeForm) translateReady(school string) {
	r := ready.Find(f.Ready)
	if r.ID == "" {
		return
	}
	for _, language := range ready.Languages {
		if language != r.For(school).Language && !f.has(language) {
			f.Texts = append(f.Texts, composeText(r.In[language]))
		}
	}
}

// ReadyTexts are the ready texts that a form offers.
func (v composeView) ReadyTexts() (offered []site.Option) {
	for _, r := range ready.Texts {
		offered = append(offered, site.Option{Value: r.ID, Name: r.Name, Current: r.ID == v.Form.Ready})
	}
	return offered
}

// Replaced reports whether a ready text has replaced something that people had written.
func (v composeView) Replaced() bool { return v.Form.Was != composeText{} }
