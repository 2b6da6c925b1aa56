package render

import (
	"html/template"
	"net/url"
	"strings"
	"unicode"
)

const (
	maxSMS  = 2000 // characters; the channel cuts the text to its segments
	maxPush = 180
)

// Paragraph is a list of lines, a line a list of runs.
type Paragraph [][]Run

// Run is text. It is a link if URL is not empty: http or https, without a user.
type Run struct{ Text, URL string }

// Paragraphs splits a body at its empty lines and finds the web addresses in it.
func Paragraphs(body string) []Paragraph {
	var out []Paragraph
	var open Paragraph
	for line := range strings.SplitSeq(body, "\n") {
		if strings.TrimSpace(line) == "" {
			if open != nil {
				out, open = append(out, open), nil
			}
			continue
		}
		open = append(open, runs(strings.TrimRight(line, " \t")))
	}
	if open != nil {
		out = append(out, open)
	}
	return out
}

// runs splits a line at the http and https URLs in it.
func runs(line string) []Run {
	var out []Run
	for {
		start, length := findURL(line)
		if start < 0 {
			break
		}
		if start > 0 {
			out = append(out, Run{Text: line[:start]})
		}
		address := line[start : start+length]
		out = append(out, Run{Text: address, URL: address})
		line = line[start+length:]
	}
	if line != "" {
		out = append(out, Run{Text: line})
	}
	return out
}

// findURL returns where the first URL of line is, or -1.
func findURL(line string) (start, length int) {
	for from := 0; ; {
		i := strings.Index(line[from:], "http")
		if i < 0 {
			return -1, 0
		}
		start = from + i
		address := line[start:]
		if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			from = start + len("http")
			continue
		}
		if end := strings.IndexAny(address, " \t<>\"`{}|\\^"); end >= 0 {
			address = address[:end]
		}
		address = strings.TrimRight(address, ".,;:!?'*_…")
		if strings.HasSuffix(address, ")") && !strings.Contains(address, "(") {
			address = strings.TrimRight(address, ").,;:!?'")
		}
		u, err := url.Parse(address)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil {
			return start, len(address)
		}
		from = start + len("http")
	}
}

// paragraphsHTML writes text as the paragraphs of an email.
func paragraphsHTML(text string) string {
	var b strings.Builder
	for _, p := range Paragraphs(text) {
		b.WriteString(`<p dir="auto" ` + paragraphStyle + ">")
		for i, line := range p {
			if i > 0 {
				b.WriteString("<br>\n")
			}
			for _, run := range line {
				if run.URL == "" {
					b.WriteString(escape(run.Text))
				} else {
					b.WriteString(`<a ` + linkStyle + ` href="` + escape(run.URL) + `">` + escape(run.Text) + "</a>")
				}
			}
		}
		b.WriteString("</p>\n")
	}
	return b.String()
}

func escape(s string) string { return template.HTMLEscapeString(s) }

// shorten cuts s to at most limit characters, at a word's end where one is near.
func shorten(s string, limit int) string {
	cut, n := "", 0
	for i := range s {
		if n++; n == limit {
			cut = s[:i]
		} else if n > limit {
			break
		}
	}
	if n <= limit {
		return s
	}
	if i := strings.LastIndexFunc(cut, unicode.IsSpace); i > len(cut)*3/4 {
		cut = cut[:i]
	}
	return strings.TrimRightFunc(cut, unicode.IsSpace) + "…"
}
