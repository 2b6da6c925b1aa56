package web_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/locale"
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

// Where a text is missing, a button has no label.
func TestWords(t *testing.T) {
	t.Parallel()
	english := reflect.ValueOf(*web.WordsFor("en"))
	for _, l := range locale.Languages() {
		words := web.WordsFor(l.Tag)
		if words.Tag() != l.Tag || words.Dir() != l.Dir() {
			t.Fatalf("there are no words in %s", l.Tag)
		}
		v := reflect.ValueOf(*words)
		for i := range v.NumField() {
			name, field := v.Type().Field(i).Name, v.Field(i)
			switch {
			case field.IsZero():
				t.Errorf("%s lacks %s", l.Tag, name)
			case field.Kind() == reflect.String:
				if got, want := places(field.String()), places(english.Field(i).String()); !slices.Equal(got, want) {
					t.Errorf("%s: %s has the places %v, want %v", l.Tag, name, got, want)
				}
			case field.Kind() == reflect.Map:
				for _, key := range english.Field(i).MapKeys() {
					if word := field.MapIndex(key); !word.IsValid() || word.IsZero() {
						t.Errorf("%s: %s lacks %s", l.Tag, name, key)
					}
				}
				if field.Len() != english.Field(i).Len() {
					t.Errorf("%s: %s has %d words, want %d", l.Tag, name, field.Len(), english.Field(i).Len())
				}
			}
		}
	}
	for want, tags := range map[string][]string{"es": {"", "it-IT", "ES-mx", "de"}, "en": nil, "ar": {"ar-EG"}, "fr": {"fr-CA"}} {
		if got := web.WordsFor(tags...).Tag(); got != want {
			t.Errorf("%v: %s, want %s", tags, got, want)
		}
	}
	for _, c := range schoolbell.BuiltInCategories() {
		if words := web.WordsFor("en"); words.About[c.ID] == "" || words.Categories[c.ID] != c.Name {
			t.Errorf("the words do not know the category %s", c.ID)
		}
	}
}

// places are those of a text, such as {name}, in order of the alphabet.
func places(text string) []string {
	found := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(text, -1)
	slices.Sort(found)
	return found
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
		{"over midnight", func(m *web.Message) { m.EndsAt = start.Add(4 * time.Hour) }, "Saturday, 5 July 2031", ""},
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
			must(t, frame(web.WordsFor("en")).Message(w, m))
			if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, c.has) || c.without != "" && strings.Contains(body, c.without) {
				t.Errorf("%d, want %q and no %q in\n%s", w.Code, c.has, c.without, body)
			}
		})
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	name, err := frame(web.WordsFor("en")).Asset("schoolbell.css")
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

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	builtIn := schoolbell.BuiltInCategories()
	trips := schoolbell.CategoryInfo{ID: "trips", Name: "Trips & <outings>"}
	renamed := builtIn[1]
	renamed.Name = "Termine"
	for _, c := range []struct {
		name, language string
		page           func(web.Frame, http.ResponseWriter, web.Unsubscribe) error
		category       schoolbell.CategoryInfo
		channel        schoolbell.Channel
		has            string
	}{
		{"a question", "en", web.Frame.Stop, builtIn[1], "email", "<h1>Stop emails about events?</h1>"},
		{"a channel of its own", "en", web.Frame.Stop, builtIn[0], "pager", "<h1>Stop “pager” about announcements?</h1>"},
		{"a category of its own", "en", web.Frame.Stop, trips, "sms", "<h1>Stop text messages about “Trips &amp; &lt;outings&gt;”?</h1>"},
		{"another name", "en", web.Frame.Stop, renamed, "email", "about “Termine”?"},
		{"a sentence that begins with a word", "es", web.Frame.Stop, builtIn[1], "email", "<h1>¿Dejar de recibir correos sobre actividades?</h1>"},
		{"what still comes", "de", web.Frame.Stop, builtIn[1], "email", "Sie erhalten weiterhin: Anwesenheit und Dringend."},
		{"the end", "fr", web.Frame.StoppedMessages, builtIn[1], "email", " concernant les événements</h1>"},
		{"from right to left", "ar", web.Frame.StoppedMessages, builtIn[2], "push", "الإشعارات حول التذكيرات"},
		{"an address", "en", web.Frame.Stop, builtIn[1], "email", "<b><bdi>yara@mossfield.example</bdi></b>"},
		{"a button that takes it back", "en", web.Frame.StoppedMessages, builtIn[1], "email", `name="undo" value="digest"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			must(t, c.page(frame(web.WordsFor(c.language)), w, web.Unsubscribe{Category: c.category, Channel: c.channel, Address: "yara@mossfield.example",
				Always: builtIn[3:5], Choices: "../preferences/x", Before: "digest"}))
			if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, c.has) || !strings.Contains(body, `href="../preferences/x"`) {
				t.Errorf("%d, want %q in\n%s", w.Code, c.has, body)
			}
		})
	}
}

// Vendored libraries are what their packages contain: the table in the folder says which, and their checksums.
func TestVendored(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("static/vendor/README.md")
	must(t, err)
	files, err := os.ReadDir("static/vendor")
	must(t, err)
	for _, f := range files {
		if f.Name() == "README.md" {
			continue
		}
		body, err := os.ReadFile(filepath.Join("static/vendor", f.Name()))
		must(t, err)
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(f.Name()) + ` \|.*\| ([0-9a-f]{64}) \|$`).FindSubmatch(table)
		if sum := sha256.Sum256(body); row == nil || string(row[1]) != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has the checksum %x, and the table %q", f.Name(), sum, row)
		}
	}
}
