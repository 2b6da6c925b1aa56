package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"schoolbell"
	"schoolbell/wire"
)

// The standard email of every category fits a phone and the pane of a mail program, in both schemes.
func TestEmails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	school, err := s.Client.Settings(t.Context())
	must(t, err)
	school.Signature = "Hollowbrook School\nTel. +44 1632 960123"
	_, err = s.Client.PutSettings(t.Context(), school)
	must(t, err)
	folder := t.TempDir()
	for _, category := range schoolbell.BuiltInCategories() {
		for _, locale := range []string{"en", "de", "ar"} {
			key := schoolbell.TemplateKey{Category: category.ID, Channel: schoolbell.ChannelEmail, Locale: locale}
			standard, err := s.Client.Template(t.Context(), key)
			must(t, err)
			shown, err := s.Client.PreviewTemplate(t.Context(), key, wire.TemplatePreview{TemplateText: standard.TemplateText})
			must(t, err)
			file := filepath.Join(folder, fmt.Sprintf("email-%s-%s.html", category.ID, locale))
			must(t, os.WriteFile(file, []byte(shown.HTML), 0o644))
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.html"))
	must(t, err)
	if len(files) < 18 {
		t.Fatalf("emails: %q", files)
	}
	for _, width := range []int{390, 640} {
		p := s.browser.open(t, device{width: width, script: true})
		for _, file := range files {
			p.visit("file://" + file)
			name := fmt.Sprintf("%s-%d", filepath.Base(file[:len(file)-len(".html")]), width)
			var is struct {
				Overflow  int
				Lang, Dir string
			}
			p.eval(`({overflow: document.documentElement.scrollWidth - innerWidth, lang: document.documentElement.lang, dir: document.documentElement.dir})`, &is)
			if is.Overflow > 0 || is.Lang == "" || (is.Dir == "rtl") != (is.Lang == "ar") {
				t.Errorf("%s: %+v", name, is)
			}
			for _, dark := range []bool{false, true} {
				p.scheme(dark)
				p.picture(name + map[bool]string{true: "-dark"}[dark])
			}
		}
	}
}
