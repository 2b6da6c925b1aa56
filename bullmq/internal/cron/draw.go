package cron

import (
	"regexp"
	"strconv"
	"strings"
)

// hashItem matches a random value in the syntax of BullMQ 6's parser: H, H(1-5), H/10 or
// H(1-5)/2.
var hashItem = regexp.MustCompile(`\bH(?:\((\w+)-(\w+)\))?(?:/(\d+))?`)

// HasDraw reports whether a pattern has a random value.
func HasDraw(pattern string) bool { return hashItem.MatchString(pattern) }

// drawTries limits how often values are drawn until the pattern has a match: not every month
// has a day 31.
const drawTries = 100

// Draw parses a pattern with a random value for each H, as Node does whenever it computes a
// run. pick returns a number from 0 to n-1. A pattern without H is parsed as by [Parse].
func Draw(pattern string, pick func(n int) int) (p *Pattern, err error) {
	if len(pattern) > maxPattern || !HasDraw(pattern) {
		return Parse(pattern)
	}
	for range drawTries {
		given := strings.Fields(pattern)
		if skip := len(fieldsOfPattern) - len(given); skip >= 0 {
			for i := range given {
				given[i] = fieldsOfPattern[skip+i].draw(given[i], pick)
			}
		}
		if p, err = Parse(strings.Join(given, " ")); err == nil {
			return p, nil
		}
	}
	return nil, err
}

// draw replaces each H by a value of the field, or by steps from such a value.
func (f *field) draw(text string, pick func(n int) int) string {
	return hashItem.ReplaceAllStringFunc(text, func(item string) string {
		parts := hashItem.FindStringSubmatch(item)
		from, to := f.min, f.max
		if to == 7 && parts[3] == "" {
			to = 6 // one value for Sunday
		}
		if parts[1] != "" {
			low, okLow := f.value(parts[1])
			high, okHigh := f.value(parts[2])
			if !okLow || !okHigh || high < low {
				return item // Parse refuses it
			}
			from, to = low, high
		}
		step, stepped := digits(parts[3])
		if !stepped {
			return strconv.Itoa(from + pick(to-from+1))
		}
		if step == 0 {
			return item
		}
		first := from + pick(min(step, to-from+1))
		return strconv.Itoa(first) + "-" + strconv.Itoa(to) + "/" + strconv.Itoa(step)
	})
}
