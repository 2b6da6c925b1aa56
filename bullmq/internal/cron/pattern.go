// Package cron parses cron patterns and computes their matches as the parser of BullMQ 6
// (cron-parser 5) does, because stored patterns are shared with Node programs.
package cron

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Pattern is a parsed cron pattern. It is safe for concurrent use.
type Pattern struct {
	second, minute, hour, day, month, weekday uint64 // bit n: n matches; Sunday is 0
	anyDay, anyWeekday                        bool   // "*": the other field alone decides
	lastDay                                   bool   // L among the days
	lastWeekdays                              uint64 // nL among the weekdays: the month's last ones
	nth                                       int    // n#k: only the kth of the month, 0 for all
	// Foreign is the reason why a parser of Node may refuse the pattern, "" if none does.
	Foreign string
}

// field describes the values of one field of a pattern.
type field struct {
	name     string
	min, max int
	names    []string // of the values from firstName on
	first    int
}

var (
	monthNames   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	weekdayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

	fieldsOfPattern = [6]field{
		{name: "second", max: 59}, {name: "minute", max: 59}, {name: "hour", max: 23}, {name: "day", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: monthNames, first: 1}, {name: "weekday", max: 7, names: weekdayNames},
	}
	// defaults stand for leading fields that are not given.
	defaults = [6]string{"0", "*", "*", "*", "*", "*"}
)

var macros = map[string]string{
	"@yearly": "0 0 0 1 1 *", "@annually": "0 0 0 1 1 *", "@monthly": "0 0 0 1 * *", "@weekly": "0 0 0 * * 0",
	"@daily": "0 0 0 * * *", "@hourly": "0 0 * * * *", "@minutely": "0 * * * * *", "@secondly": "* * * * * *",
	"@weekdays": "0 0 0 * * 1-5", "@weekends": "0 0 0 * * 0,6",
}

// maxPattern is more bytes than any sensible pattern needs.
const maxPattern = 1000

// Parse parses a pattern of five fields, or six with seconds first. Patterns with fewer
// fields, which BullMQ also accepts, lack their first ones.
func Parse(pattern string) (*Pattern, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("cron pattern of %d bytes", len(pattern))
	}
	text := pattern
	if macro, ok := macros[text]; ok {
		text = macro
	}
	given := strings.Fields(text)
	if len(given) == 0 || len(given) > len(fieldsOfPattern) {
		return nil, fmt.Errorf("cron pattern %q: %d fields, not 5 or 6", pattern, len(given))
	}
	c := &Pattern{}
	if len(given) < 5 {
		c.Foreign = "fewer than 5 fields"
	}
	fields := append(slices.Clone(defaults[:len(fieldsOfPattern)-len(given)]), given...)
	for i, set := range []*uint64{&c.second, &c.minute, &c.hour, &c.day, &c.month, &c.weekday} {
		bits, err := c.parseField(&fieldsOfPattern[i], fields[i])
		if err != "" {
			return nil, fmt.Errorf("cron pattern %q: %s %q: %s", pattern, fieldsOfPattern[i].name, fields[i], err)
		}
		*set = bits
	}
	c.anyDay = fields[3] == "*" || fields[3] == "?"
	c.anyWeekday = (fields[5] == "*" || fields[5] == "?") && c.nth == 0
	if c.anyWeekday && !c.anyDay && !c.lastDay && !c.dayExists() {
		return nil, fmt.Errorf("cron pattern %q: no month of it has that day", pattern)
	}
	return c, nil
}

// dayExists reports whether one of the months has one of the days.
func (c *Pattern) dayExists() bool {
	for month := range 12 {
		if c.month&(2<<month) != 0 && bits.TrailingZeros64(c.day) <= longestMonth[month] {
			return true
		}
	}
	return false
}

var longestMonth = [12]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// parseField parses one field, a list of values, ranges and steps. wrong describes the
// mistake, "" for none.
func (c *Pattern) parseField(f *field, text string) (set uint64, wrong string) {
	weekday := f.name == "weekday"
	if before, k, ok := strings.Cut(text, "#"); ok && weekday {
		if c.nth, wrong = occurrence(before, k); wrong != "" {
			return 0, wrong
		}
		text = before
	}
	for part := range strings.SplitSeq(text, ",") {
		var values uint64
		switch {
		case part == "L" && f.name == "day":
			if c.lastDay {
				c.Foreign = "L twice"
			}
			c.lastDay = true
		case weekday && len(part) > 1 && part[len(part)-1] == 'L':
			day, ok := f.value(part[:len(part)-1])
			if !ok {
				return 0, "the last of which weekday?"
			}
			c.lastWeekdays |= 1 << (day % 7)
		default:
			if values, wrong = f.values(part); wrong != "" {
				return 0, wrong
			}
		}
		if weekday && values&(1<<7) != 0 {
			values = values&^(1<<7) | 1 // Sunday is 7 too
		}
		if set&values != 0 {
			c.Foreign = f.name + " " + strconv.Itoa(bits.TrailingZeros64(set&values)) + " twice"
		}
		set |= values
	}
	return set, ""
}

// occurrence parses the k of n#k.
func occurrence(n, k string) (nth int, wrong string) {
	if strings.ContainsAny(n, ",-/") {
		return 0, "# goes with one weekday only"
	}
	if len(k) != 1 || k[0] < '1' || k[0] > '5' {
		return 0, "the number after # is not within 1 and 5"
	}
	return int(k[0] - '0'), ""
}

// values parses one item of a list: *, n, n-m, or one of them with /step.
func (f *field) values(item string) (set uint64, wrong string) {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = digits(stepText); !ok || step == 0 {
			return 0, "not a step"
		}
	}
	var from, to int
	if low, high, isRange := strings.Cut(span, "-"); span == "*" || span == "?" {
		from, to = f.min, f.max
		if f.max == 7 {
			to = 6
		}
	} else {
		var ok bool
		if from, ok = f.value(low); !ok {
			return 0, "not a value from " + strconv.Itoa(f.min) + " to " + strconv.Itoa(f.max)
		}
		switch to = from; {
		case isRange:
			if to, ok = f.value(high); !ok || to < from {
				return 0, "not a range"
			}
		case stepped:
			to = f.max
		}
	}
	for v := from; v <= to; v += step {
		set |= 1 << v
	}
	return set, ""
}

// value parses a number or a name.
func (f *field) value(text string) (int, bool) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return i + f.first, true
	}
	n, ok := digits(text)
	return n, ok && n >= f.min && n <= f.max
}

// digits parses a plain number. A number above a thousand is returned as a thousand.
func digits(text string) (int, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > 1000 {
		n = 1000
	}
	return n, true
}
