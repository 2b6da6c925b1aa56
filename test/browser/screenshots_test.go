package browser

import (
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// TestScreenshots makes pictures of every page of the panel that links lead to, for `make screenshots`. They are of the made-up
// school of the demo.
func TestScreenshots(t *testing.T) {
	if os.Getenv("SCREENSHOTS") == "" {
		t.Skip("make screenshots says where the pictures go")
	}
	demo := testenv.StartProgram(t, testenv.ProgramOptions{Dir: t.TempDir()}, testenv.Binary(t), "demo", "--users", "2000", "--keep")
	demo.Await("/panel/password/")
	link := demo.Output()[strings.LastIndex(demo.Output(), "http://"):]
	u, err := url.Parse(strings.TrimSpace(strings.SplitN(link, "\n", 2)[0]))
	must(t, err)
	s := &site{browser: startBrowser(t)}
	first := s.browser.open(t, device{width: 1440, script: true})
	first.visit(u.String())
	first.picture("password-1440")
	first.fill(map[string]string{"password": panelPassword, "again": panelPassword})
	first.goes(func() { first.submit("form") })
	panel := u.Scheme + "://" + u.Host + "/panel/"
	pages := linkedPages(first, panel)
	t.Logf("%d pages", len(pages))
	for _, d := range []device{{width: 390, script: true}, {width: 390, dark: true, script: true}, {width: 1440, script: true}, {width: 1440, dark: true, script: true}} {
		p := s.browser.open(t, d)
		p.visit(panel + "sign-in")
		p.picture("sign-in-" + d.String())
		p.fill(map[string]string{"email": "office@hill.example", "password": panelPassword})
		p.goes(func() { p.submit("form") })
		for _, kind := range slices.Sorted(maps.Keys(pages)) {
			p.visit(pages[kind])
			p.picture(kind + "-" + d.String())
		}
	}
}

// linkedPages follows the links of the panel and returns one page of each kind.
func linkedPages(p *tab, panel string) map[string]string {
	p.t.Helper()
	pages := map[string]string{"overview": panel}
	for open := []string{panel}; len(open) > 0; open = open[1:] {
		p.visit(open[0])
		var links []string
		p.eval(`[...document.querySelectorAll('body a[href]:not([download])')].map((a) => a.href.replace(/#.*/, ''))`, &links)
		for _, link := range links {
			page, within := strings.CutPrefix(link, panel)
			path, query, _ := strings.Cut(page, "?")
			kind := pageKind(path)
			if strings.HasPrefix(path, "queues/") && query != "" { // a list of jobs, or what is done with all of them
				kind += stateOf(query)
			} else {
				link, _, _ = strings.Cut(link, "?")
			}
			if !within || kind == "" || pages[kind] != "" {
				continue
			}
			pages[kind] = link
			open = append(open, link)
		}
	}
	return pages
}

// stateOf ends the name of a page that shows the jobs of a state.
func stateOf(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil || values.Get("state") == "" {
		return ""
	}
	return "-" + values.Get("state")
}

// namedAfter are parts of a path that an id follows.
var namedAfter = []string{"events", "people", "queues", "jobs", "staff", "templates", "keys", "webhooks", "categories", "mail", "drafts", "suppressions"}

// pageKind names the pages that differ only in what they are about: "event" of events/{id}, "events" of events. It is empty for what is no page.
func pageKind(path string) string {
	if path == "" || strings.HasSuffix(path, ".csv") || strings.HasSuffix(path, ".eml") {
		return ""
	}
	segments := strings.Split(path, "/")
	if segments[0] == "templates" && len(segments) > 3 { // templates/{category}/{channel}/{locale}
		segments = append([]string{"templates", "one"}, segments[4:]...)
	}
	for i := 1; i < len(segments); i++ {
		if slices.Contains(namedAfter, segments[i-1]) && !isWord(segments[i]) {
			segments[i] = "one"
		}
	}
	return strings.Join(segments, "-")
}

// isWord reports whether a part of a path belongs to the route.
func isWord(segment string) bool {
	return slices.Contains([]string{"add", "new", "import", "edit", "suppressions", "preview"}, segment)
}
