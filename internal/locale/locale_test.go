package locale_test

import (
	"testing"
	"time"

	"schoolbell/internal/locale"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 12, 4, 9, 30, 0, 0, time.UTC)
	for _, x := range []struct {
		tag  string
		end  time.Time
		want string
	}{
		{"en", start.Add(90 * time.Minute), "Friday, 4 December 2026, 09:30–11:00 (Europe/London)"},
		{"en-GB", time.Time{}, "Friday, 4 December 2026, 09:30 (Europe/London)"},
		{"en-US", start.Add(90 * time.Minute), "Friday, December 4, 2026, 9:30 am–11:00 am (Europe/London)"},
		{"es-MX", start.Add(90 * time.Minute), "viernes, 4 de diciembre de 2026, 9:30–11:00 (Europe/London)"},
		{"fr", start.Add(26 * time.Hour), "vendredi 4 décembre 2026, 09:30 – samedi 5 décembre 2026, 11:30 (Europe/London)"},
		{"de-AT", start.Add(90 * time.Minute), "Freitag, 4. Dezember 2026, 09:30–11:00 (Europe/London)"},
		{"ar", start.Add(90 * time.Minute), "الجمعة، 4 ديسمبر 2026، \u206609:30–11:00\u2069 \u2066(Europe/London)\u2069"},
		{"tlh", time.Time{}, "Friday, 4 December 2026, 09:30 (Europe/London)"},
	} {
		if got := locale.For(x.tag).Span(start, x.end, london, time.UTC); got != x.want {
			t.Errorf("%s: %q\nwant %q", x.tag, got, x.want)
		}
	}
	for zone, want := range map[*time.Location]string{london: "09:30", time.UTC: "09:30 (UTC)"} {
		if got := locale.For("en").Times(start, time.Time{}, zone, zone); got != want {
			t.Errorf("at home in %v: %q", zone, got)
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		tag     string
		entries []string
		want    string
	}{
		{"en", nil, ""},
		{"en", []string{"Nia"}, "Nia"},
		{"en", []string{"Nia", "Omar", "Zoë"}, "Nia, Omar and Zoë"},
		{"de", []string{"Nia", "Omar"}, "Nia und Omar"},
		{"ar", []string{"نيا", "عمر", "زوي"}, "نيا، عمر وزوي"},
	} {
		if got := locale.For(x.tag).Join(x.entries); got != x.want {
			t.Errorf("%s: %q, want %q", x.tag, got, x.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	if got := locale.For("en").Number(1912); got != "1,912" {
		t.Errorf("1912 is %q", got)
	}
	for n, one := range map[int]bool{0: false, 1: true, 2: false} {
		if got := locale.For("en").One(n); got != one {
			t.Errorf("one thing for %d: %v", n, got)
		}
	}
}
