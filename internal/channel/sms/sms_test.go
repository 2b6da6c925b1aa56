package sms

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		text string
		want int
		in   Alphabet
	}{
		{"nothing", "", 0, GSM7},
		{"one letter", "a", 1, GSM7},
		{"160 letters", strings.Repeat("a", 160), 1, GSM7},
		{"161 letters", strings.Repeat("a", 161), 2, GSM7},
		{"306 letters", strings.Repeat("a", 306), 2, GSM7},
		{"307 letters", strings.Repeat("a", 307), 3, GSM7},
		{"80 characters of two septets", strings.Repeat("€", 80), 1, GSM7},
		{"81 characters of two septets", strings.Repeat("€", 81), 2, GSM7},
		{"152 characters of two septets", strings.Repeat("€", 152), 2, GSM7},
		{"a character of two septets is not split", strings.Repeat("€", 153), 3, GSM7},
		{"a character of two septets at the end of a segment", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 151), 2, GSM7},
		{"one more after it", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3, GSM7},
		{"70 Cyrillic letters", strings.Repeat("ж", 70), 1, UCS2},
		{"71 Cyrillic letters", strings.Repeat("ж", 71), 2, UCS2},
		{"134 Cyrillic letters", strings.Repeat("ж", 134), 2, UCS2},
		{"135 Cyrillic letters", strings.Repeat("ж", 135), 3, UCS2},
		{"35 emoji", strings.Repeat("😀", 35), 1, UCS2},
		{"36 emoji", strings.Repeat("😀", 36), 2, UCS2},
		{"66 emoji", strings.Repeat("😀", 66), 2, UCS2},
		{"a surrogate pair is not split", strings.Repeat("😀", 67), 3, UCS2},
		{"159 letters and a curly quote", strings.Repeat("a", 159) + "’", 3, UCS2},
		{"Greek capitals of the GSM alphabet", "ΔΦΓΛΩΠΨΣΘΞ", 1, GSM7},
		{"the small c with cedilla is not in the GSM alphabet", "ç", 1, UCS2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n, in := Segments(c.text); n != c.want || in != c.in {
				t.Errorf("%d segments in %s, want %d in %s", n, in, c.want, c.in)
			}
		})
	}
	t.Run("the alphabet has 127 characters and ten more", func(t *testing.T) {
		// Position 0x1B of the 128 is the escape to the extension table.
		if n, more := utf8.RuneCountInString(basic), utf8.RuneCountInString(extended); n != 127 || more != 10 || len(septets) != 137 {
			t.Errorf("%d and %d characters, %d of them different", n, more, len(septets))
		}
	})
}

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Don’t “forget” – it’s…":           `Don't "forget" - it's...`,
		"Sports day · Fri\u00a04 Dec":      "Sports day - Fri 4 Dec",
		"soft\u00adhyphen\u200b, \ufeffok": "softhyphen, ok",
		"cafe\u0301":                       "café",
		"Zoë’s recital":                    "Zoë’s recital", // ë is not in the alphabet, so folding the rest would gain nothing
		"Łódź – jutro":                     "Łódź – jutro",
		"Öğrenci":                          "Öğrenci",
		"school 🎒’s":                       "school 🎒’s",
		"{[~]} € ok\n":                     "{[~]} € ok\n",
		"":                                 "",
	} {
		if got := Fold(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

const page = "https://bell.example.org/m/0123456789abcdef"

func TestFit(t *testing.T) {
	t.Parallel()
	words := strings.Repeat("word ", 200)
	for _, c := range []struct {
		name, text, page string
		most             int
		want             string
	}{
		{"a short text stays", "Sports day is on Friday.", "", 3, "Sports day is on Friday."},
		{"a short text gets the link", "Sports day is on Friday.", page, 3, "Sports day is on Friday. " + page},
		{"a link that takes a further segment is left out", strings.Repeat("a", 150), page, 3, strings.Repeat("a", 150)},
		{"a text that just fits stays", strings.Repeat("a", 160), "", 1, strings.Repeat("a", 160)},
		{"a long text is cut at a word", words, "", 1, strings.TrimSpace(words[:155]) + "..."},
		{"a long text ends with the link", words, page, 1, strings.TrimSpace(words[:110]) + "... " + page},
		{"a long word is cut", strings.Repeat("a", 500), "", 1, strings.Repeat("a", 157) + "..."},
		{"curly quotes are folded before the cut", strings.Repeat("it’s ", 32) + "so", "", 1, strings.TrimSpace(strings.Repeat("it's ", 31)) + "..."},
		{"what is cut does not decide about the alphabet", strings.Repeat("it’s ", 40) + "😀", "", 1, strings.TrimSpace(strings.Repeat("it's ", 31)) + "..."},
		{"a mark stays with its letter", strings.Repeat("ж", 66) + "x\u0323\u0323\u0323\u0323\u0323", "", 1, strings.Repeat("ж", 66) + "..."},
		{"a link that leaves no room is left out", words, page + strings.Repeat("a", 100), 1, strings.TrimSpace(words[:155]) + "..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Fit(c.text, c.page, c.most); got != c.want {
				t.Errorf("got\n%q, want\n%q", got, c.want)
			}
		})
	}
	t.Run("no text takes more segments than it may", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			text := strings.Repeat(rapid.StringOfN(rapid.RuneFrom([]rune("aé’€ж😀\u0301\u200d ẍ")), 0, 60, -1).Draw(t, "text"), rapid.IntRange(1, 60).Draw(t, "times"))
			link := rapid.SampledFrom([]string{"", page}).Draw(t, "link")
			most := rapid.IntRange(1, MaxSegments).Draw(t, "most")
			got := Fit(text, link, most)
			if n, _ := Segments(got); n > most || utf8.RuneCountInString(got) > maxRunes || !utf8.ValidString(got) {
				t.Errorf("%d segments of %d: %q", n, most, got)
			}
		})
	})
}
