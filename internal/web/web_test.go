package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/web"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func frame(words *web.Words) web.Frame {
	return web.Frame{Words: words, School: "Hill School", Root: "../"}
}

var languages = []string{"en", "de", "es", "ar"}

// Where a text is missing, a button has no label.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, tag := range languages {
		words := web.WordsFor(tag)
		if words.Tag != tag {
			t.Fatalf("there are no words in %s", tag)
		}
		v := reflect.ValueOf(*words)
		for i := range v.NumField() {
			name, field := v.Type().Field(i).Name, v.Field(i)
			missing := field.IsZero()
			for j := 0; field.Kind() == reflect.Array && j < field.Len(); j++ {
				missing = missing || field.Index(j).IsZero()
			}
			if missing {
				t.Errorf("%s lacks %s", tag, name)
			}
		}
	}
	for want, tags := range map[string][]string{"es": {"", "fr-FR", "ES-mx", "de"}, "en": nil, "ar": {"ar-EG"}} {
		if got := web.WordsFor(tags...).Tag; got != want {
			t.Errorf("%v: %s, want %s", tags, got, want)
		}
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][]string{
		"":                                   {},
		"de":                                 {"de"},
		"fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5": {"fr-CH", "fr", "en", "*"},
		"en;q=0.1,de;q=0,es; q=0.7,,;q=1":    {"es", "en"},
		strings.Repeat("aa,", 10_000):        slices.Repeat([]string{"aa"}, 20),
	} {
		if got := web.Accepted(header); !slices.Equal(got, want) {
			t.Errorf("%.60q: %v, want %v", header, got, want)
		}
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	start := time.Date(2031, 7, 4, 22, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		change  func(*web.Message)
		has     string
		without string
	}{
		{"over midnight", func(m *web.Message) { m.EndsAt = start.Add(4 * time.Hour) }, "Saturday 5 July 2031", ""},
		{"without a time", func(m *web.Message) { m.StartsAt = time.Time{} }, "<dt>Where</dt>", "<dt>When</dt>"},
		{"without a place", func(m *web.Message) { m.Place = "" }, "<dt>When</dt>", "<dt>Where</dt>"},
		{"urgent", func(m *web.Message) { m.Urgent = true }, "badge-urgent", "s-cancelled"},
		{"cancelled", func(m *web.Message) { m.Cancelled = true }, "s-cancelled", "<form"},
		{"read and to be confirmed", func(m *web.Message) { m.Done = schoolbell.OutcomeRead }, `value="acknowledged"`, "s-read"},
		{"confirmed and to be read", func(m *web.Message) { m.Done, m.Asks = schoolbell.OutcomeAcknowledged, schoolbell.OutcomeRead }, "s-acknowledged", "<form"},
		{"hostile", func(m *web.Message) { m.Title, m.Place, m.Body = "<script>x", "<script>y", "<script>z javascript:x" }, "&lt;script&gt;z", "<script"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := web.Message{Title: "Trip", Body: "Bring boots.", Language: "en", SentAt: start, StartsAt: start, Zone: time.UTC, Place: "Gate", Asks: schoolbell.OutcomeAcknowledged}
			c.change(&m)
			w := httptest.NewRecorder()
			must(t, frame(web.English).Message(w, m))
			if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, c.has) || c.without != "" && strings.Contains(body, c.without) {
				t.Errorf("%d, want %q and no %q in\n%s", w.Code, c.has, c.without, body)
			}
		})
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	name, err := frame(web.English).Asset("schoolbell.css")
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /static/{name}", web.Static())
	get := func(encodings string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/"+strings.TrimPrefix(name, "../"), nil)
		r.Header.Set("Accept-Encoding", encodings)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	plain := get("br, gzip;q=0").Body.String()
	if strings.Contains(plain, "@import") || regexp.MustCompile(`url\([^#]`).MatchString(plain) {
		t.Error("the stylesheet loads another file")
	}
	compressed := get("br;q=1, gzip")
	z, err := gzip.NewReader(compressed.Body)
	must(t, err)
	text, err := io.ReadAll(z)
	must(t, err)
	if string(text) != plain || compressed.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("compressed it is another file: %v", compressed.Header())
	}
}
