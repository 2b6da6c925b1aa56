package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxAccepted is how many languages of an Accept-Language count.
const maxAccepted = 20

// Accepted returns the languages of an Accept-Language header, the preferred ones first.
func Accepted(header string) []string {
	type choice struct {
		tag     string
		quality float64
	}
	var choices []choice
	for part := range strings.SplitSeq(header, ",") {
		tag, rest, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		quality, err := strconv.ParseFloat(strings.TrimPrefix(rest, "q="), 64)
		if err != nil {
			quality = 1
		}
		if tag == "" || quality <= 0 {
			continue
		}
		if choices = append(choices, choice{tag, quality}); len(choices) == maxAccepted {
			break
		}
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(b.quality, a.quality) })
	tags := make([]string, len(choices))
	for i, c := range choices {
		tags[i] = c.tag
	}
	return tags
}
