package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/store"
)

var templates = []promise{
	{"PutTemplate keeps every version", templateVersions},
	{"NewTemplates leaves out what was replaced long ago", templatesNew},
	{"PutTemplate at once: a later version has no earlier time", templatesTogether},
	{"A template belongs to a category", templateCategory},
}

func (s *testStore) putTemplate(locale, text string) schoolbell.Template {
	s.t.Helper()
	t, err := s.Templates.PutTemplate(s.ctx(), schoolbell.Template{
		TemplateKey:  schoolbell.TemplateKey{Category: schoolbell.CategoryEvent, Channel: schoolbell.ChannelEmail, Locale: locale},
		TemplateText: schoolbell.TemplateText{Subject: "学校 {{event.title}}", HTML: "<p>" + text, Text: text},
	})
	s.must(err)
	return t
}

func templateVersions(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	first, second := s.putTemplate("es", "one"), s.putTemplate("es", "two")
	other := s.putTemplate("fr", "autre")
	reset, err := s.Templates.PutTemplate(s.ctx(), schoolbell.Template{TemplateKey: first.TemplateKey, Reset: true})
	s.must(err)
	if first.Version <= 0 || second.Version <= first.Version || reset.Version <= other.Version || first.CreatedAt.IsZero() {
		t.Fatalf("the versions are %d, %d, %d and %d, the first of %v", first.Version, second.Version, other.Version, reset.Version, first.CreatedAt)
	}
	got, err := s.Templates.TemplateVersions(s.ctx(), first.TemplateKey, 0, 10)
	s.must(err)
	same(t, "versions", got, []schoolbell.Template{reset, second, first})
	got, err = s.Templates.TemplateVersions(s.ctx(), first.TemplateKey, reset.Version, 1)
	s.must(err)
	same(t, "one version before the last", got, []schoolbell.Template{second})
}

func templatesNew(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	first, second, other := s.putTemplate("es", "one"), s.putTemplate("es", "two"), s.putTemplate("fr", "autre")
	for _, x := range []struct {
		after int64
		age   time.Duration
		want  []schoolbell.Template
	}{
		{0, time.Hour, []schoolbell.Template{first, second, other}},
		{first.Version, time.Hour, []schoolbell.Template{second, other}},
		{other.Version, time.Hour, nil},
		{0, 0, []schoolbell.Template{second, other}},
	} {
		got, err := s.Templates.NewTemplates(s.ctx(), x.after, x.age)
		s.must(err)
		same(t, fmt.Sprintf("after %d, replaced %v ago", x.after, x.age), append([]schoolbell.Template(nil), got...), x.want)
	}
}

func templatesTogether(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	var put sync.WaitGroup
	for i := range 8 {
		put.Go(func() { s.putTemplate("es", fmt.Sprint(i)) })
	}
	put.Wait()
	got, err := s.Templates.NewTemplates(s.ctx(), 0, time.Hour)
	s.must(err)
	for i := 1; i < len(got); i++ {
		if got[i].CreatedAt.Before(got[i-1].CreatedAt) {
			t.Errorf("version %d is of %v, version %d of %v", got[i].Version, got[i].CreatedAt, got[i-1].Version, got[i-1].CreatedAt)
		}
	}
	same(t, "number of versions", len(got), 8)
}

func templateCategory(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	key := schoolbell.TemplateKey{Category: "trips", Channel: schoolbell.ChannelSMS, Locale: "en"}
	_, err := s.Templates.PutTemplate(s.ctx(), schoolbell.Template{TemplateKey: key})
	same(t, "code for an unknown category", schoolbell.CodeOf(err), schoolbell.CodeInvalid)
	s.putCategory(trips())
	_, err = s.Templates.PutTemplate(s.ctx(), schoolbell.Template{TemplateKey: key})
	s.must(err)
	s.must(s.School.DeleteCategory(s.ctx(), "trips"))
	got, err := s.Templates.TemplateVersions(s.ctx(), key, 0, 10)
	s.must(err)
	same(t, "number of versions of a deleted category", len(got), 0)
}

func inboxLanguages(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	locales := []string{"es-MX", "", "fr", "pt-PT"}
	s.people(len(locales), func(i int, u *schoolbell.User) { u.Locale = locales[i] })
	ev := newEvent(toStudents(), schoolbell.ChannelInApp)
	ev.Texts = map[string]schoolbell.EventText{
		"es": {Title: "Día del deporte", Body: "Traed agua."}, "pt-BR": {Title: "Dia do esporte", Body: "Tragam água.", Location: "Campo"}}
	id := s.create(ev)
	s.walk(id, 1_000, 100)
	stored, err := s.Reports.Event(s.ctx(), id)
	s.must(err)
	same(t, "texts", stored.Texts, ev.Texts)
	for i, want := range [][2]string{{"es", "Día del deporte"}, {"", ev.Title}, {"", ev.Title}, {"pt-BR", "Dia do esporte"}} {
		items, _, err := s.Inboxes.Inbox(s.ctx(), userID(i), 0, 10)
		s.must(err)
		same(t, locales[i], [][2]string{{items[0].Language, items[0].Title}}, [][2]string{want})
	}
}
