package browser

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
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
	s.writeNotices(t, folder)
	files, err := filepath.Glob(filepath.Join(folder, "*.html"))
	must(t, err)
	if len(files) < 22 {
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

// writeNotices writes the emails that tell a change and a cancellation to files, in English and Arabic.
func (s *site) writeNotices(t *testing.T, folder string) {
	t.Helper()
	for person, locale := range []string{"en", "ar"} {
		user, err := s.Client.User(t.Context(), system.Person(person))
		must(t, err)
		user.Locale = locale
		_, _, err = s.Client.PutUser(t.Context(), *user)
		must(t, err)
		ev := gala()
		ev.Texts = map[string]schoolbell.EventText{"ar": {Title: "مهرجان السباحة: موعد بدء جديد", Location: "المسبح البلدي",
			Body: "يبدأ المهرجان في العاشرة بدلاً من التاسعة.\n\nيرجى إحضار ملابس السباحة ومنشفة."}}
		id := s.creates(t, ev, user.ID)
		s.AwaitStatus(id, schoolbell.EventCompleted)
		location := "Hill Road pool"
		_, err = s.Client.UpdateEvent(t.Context(), id, wire.EventChange{Location: &location})
		must(t, err)
		s.writeEmail(t, filepath.Join(folder, "email-changed-"+locale+".html"), id, 2)
		_, err = s.Client.RetractEvent(t.Context(), id)
		must(t, err)
		s.writeEmail(t, filepath.Join(folder, "email-cancelled-"+locale+".html"), id, 3)
	}
}

// writeEmail writes the HTML of the newest email to a file when a number of emails of an event have been taken.
func (s *site) writeEmail(t *testing.T, file, event string, number int) {
	t.Helper()
	testenv.Eventually(t, patience, func() bool { return len(s.mail.Letters(event)) == number }, "%d emails of the event", number)
	html := regexp.MustCompile(`(?s)<!doctype html>.*</html>`).FindString(s.mail.Newest())
	must(t, os.WriteFile(file, []byte(html), 0o644))
}

// Logos of any shape stay small, keep their proportions and are visible in both schemes. The name of the school stands
// beside them, where mail programs do not load images.
func TestEmailLogos(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	school, err := s.Client.Settings(t.Context())
	must(t, err)
	const address = "https://school.example/logo.png"
	school.Logo = address
	_, err = s.Client.PutSettings(t.Context(), school)
	must(t, err)
	folder := t.TempDir()
	logos := map[string]string{
		"wide":        writeLogo(t, folder, "wide.png", 900, 150, color.RGBA{R: 0x7a, G: 0x12, B: 0x2e, A: 0xff}, color.White),
		"square":      writeLogo(t, folder, "square.png", 512, 512, color.RGBA{R: 0x1d, G: 0x6b, B: 0x45, A: 0xff}, color.White),
		"tall":        writeLogo(t, folder, "tall.png", 120, 480, color.RGBA{R: 0x1d, G: 0x3b, B: 0x6b, A: 0xff}, color.White),
		"small":       writeLogo(t, folder, "small.png", 16, 16, color.Black, color.White),
		"transparent": writeLogo(t, folder, "transparent.png", 400, 100, color.Transparent, color.RGBA{R: 0x10, G: 0x14, B: 0x2a, A: 0xff}),
		"drawing":     filepath.Join(folder, "drawing.svg"),
		"blocked":     filepath.Join(folder, "nothing.png"),
	}
	must(t, os.WriteFile(logos["drawing"], []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="300" height="60" viewBox="0 0 300 60"><path d="M0 60 30 0l30 60z"/><path d="M80 20h200v20H80z"/></svg>`), 0o644))
	tabs := map[int]*tab{}
	for _, width := range []int{390, 640} {
		tabs[width] = s.browser.open(t, device{width: width, script: true})
	}
	for _, locale := range []string{"en", "ar"} {
		key := schoolbell.TemplateKey{Category: schoolbell.CategoryAnnouncement, Channel: schoolbell.ChannelEmail, Locale: locale}
		standard, err := s.Client.Template(t.Context(), key)
		must(t, err)
		shown, err := s.Client.PreviewTemplate(t.Context(), key, wire.TemplatePreview{TemplateText: standard.TemplateText})
		must(t, err)
		for logo, image := range logos {
			file := filepath.Join(folder, fmt.Sprintf("logo-%s-%s.html", logo, locale))
			must(t, os.WriteFile(file, []byte(strings.ReplaceAll(shown.HTML, address, "file://"+image)), 0o644))
			for width, p := range tabs {
				p.showsLogo(file, fmt.Sprintf("logo-%s-%s-%d", logo, locale, width), logo != "blocked")
			}
		}
	}
}

// showsLogo looks at an email with a logo.
func (p *tab) showsLogo(file, name string, loads bool) {
	p.t.Helper()
	p.visit("file://" + file)
	for _, dark := range []bool{false, true} {
		p.scheme(dark)
		var is struct {
			Overflow, Natural, Width, Height, Stretch float64
			Ground                                    string
		}
		p.eval(`(() => { const i = document.images[0], r = i.getBoundingClientRect();
			return {overflow: document.documentElement.scrollWidth - innerWidth, natural: i.naturalWidth, width: r.width, height: r.height,
				stretch: i.naturalWidth ? Math.abs(r.width / r.height / (i.naturalWidth / i.naturalHeight) - 1) : 0, ground: getComputedStyle(i.parentNode).backgroundColor}; })()`, &is)
		if is.Overflow > 0 || is.Width > 160 || is.Height > 40 || is.Stretch > 0.05 || loads != (is.Natural > 0 && is.Width > 0) {
			p.t.Errorf("%s: %+v", name, is)
		}
		if dark && is.Ground != "rgb(255, 255, 255)" {
			p.t.Errorf("%s in dark: a dark logo stands on %s", name, is.Ground)
		}
		if !strings.Contains(p.text(), "Hollowbrook School") {
			p.t.Errorf("%s lacks the name of the school", name)
		}
		p.picture(name + map[bool]string{true: "-dark"}[dark])
	}
}

// writeLogo writes an image with a few shapes on a ground to a file.
func writeLogo(t *testing.T, folder, name string, width, height int, ground, shapes color.Color) string {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.NewUniform(ground), image.Point{}, draw.Src)
	unit := min(width, height) / 4
	draw.Draw(img, image.Rect(unit, unit, 2*unit, height-unit), image.NewUniform(shapes), image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(5*unit/2, unit, width-unit, 2*unit), image.NewUniform(shapes), image.Point{}, draw.Src)
	path := filepath.Join(folder, name)
	f, err := os.Create(path)
	must(t, err)
	must(t, png.Encode(f, img))
	must(t, f.Close())
	return path
}
