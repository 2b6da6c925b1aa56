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

// paragraph is a list of lines, a line a list of runs.
type paragraph [][]run

// run is text, which may be a link.
type run struct{ Text, URL string }

// paragraphs splits a body at its empty lines and finds the web addresses in it.
func paragraphs(body string) []paragraph {
	var out []paragraph
	var open paragraph
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
func runs(line string) []run {
	var out []run
	for {
		start, length := findURL(line)
		if start < 0 {
			break
		}
		if start > 0 {
			out = append(out, run{Text: line[:start]})
		}
		address := line[start : start+length]
		out = append(out, run{Text: address, URL: address})
		line = line[start+length:]
	}
	if line != "" {
		out = append(out, run{Text: line})
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
func (r *Renderer) push(ev *schoolbell.Event, when string) string {
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
