package render

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"schoolbell"
)

// docs/templates.md has a row for each name that templates may use, and for no other.
func TestNamesDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| name | value |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{"data.…": false}
	for row := range strings.Lines(table) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.SplitN(row, "|", 3)[1], -1) {
			documented[name[1]] = true
		}
	}
	known := append(slices.Collect(maps.Keys(names.Kinds)), slices.Collect(maps.Keys(names.Lists["items"].Kinds))...)
	known = append(known, "data.…")
	for _, name := range known {
		if !documented[name] {
			t.Errorf("%s is not in docs/templates.md", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/templates.md has %s, which there is not", name)
	}
}

// Which names have a value in messages of a category, as docs/templates.md says.
func TestNamesByCategory(t *testing.T) {
	t.Parallel()
	r, err := New(Config{Optional: func(c schoolbell.Category) bool {
		return c != schoolbell.CategoryUrgent && c != schoolbell.CategoryAttendance
	}})
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	all := slices.Sorted(maps.Keys(names.Kinds))
	for _, name := range all {
		source.WriteString("{{#if " + name + "}}" + name + " {{/if}}")
	}
	source.WriteString("\n")
	always := []string{"event.body", "event.summary", "event.title", "school.name", "user.name"}
	timed := []string{"event.date", "event.location", "event.time", "event.when"}
	for category, more := range map[schoolbell.Category][]string{
		schoolbell.CategoryAnnouncement: timed, schoolbell.CategoryEvent: timed, schoolbell.CategoryReminder: timed, schoolbell.CategoryUrgent: timed,
		schoolbell.CategoryAttendance: append([]string{"event.students", "students"}, timed...),
		schoolbell.CategoryDigest:     {"items"},
	} {
		text := schoolbell.TemplateText{Subject: "x", HTML: "<p>x</p>", Text: source.String()}
		m, err := r.Preview(schoolbell.Template{TemplateKey: schoolbell.TemplateKey{Category: category, Channel: schoolbell.ChannelEmail, Locale: "en"}, TemplateText: text}, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(m.Text.String(), "\n")
		got := slices.Sorted(slices.Values(strings.Fields(first)))
		if want := slices.Sorted(slices.Values(append(more[:len(more):len(more)], always...))); !slices.Equal(got, want) {
			t.Errorf("%s: names with a value are %v, want %v", category, got, want)
		}
	}
}
