package render

import (
	"net/url"
	"strings"

	"schoolbell"
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

// sms is the event in one text. The channel cuts it and adds the link.
func sms(ev *schoolbell.Event, school, heading, when string) string {
	return shorten(school+": "+brief(ev, heading, when), maxSMS)
}

// push is the text under the title of a notification.
func push(ev *schoolbell.Event, when string) string {
	return shorten(brief(ev, "", when), maxPush)
}

// brief is heading, time, place and body in one line.
func brief(ev *schoolbell.Event, heading, when string) string {
	parts := make([]string, 0, 4)
	for _, s := range []string{heading, when, ev.Location, strings.Join(strings.Fields(ev.Body), " ")} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " · ")
}
