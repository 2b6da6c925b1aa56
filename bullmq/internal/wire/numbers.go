// Package wire encodes and decodes numbers, times and JSON as BullMQ stores them.
package wire

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// FormatInt is n in decimal.
func FormatInt(n int64) string { return strconv.FormatInt(n, 10) }

// Millis is a time in ms since 1970.
func Millis(t time.Time) int64 { return t.UnixMilli() }

// FromMillis is the time of ms since 1970, in UTC. 0 is the zero time.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Duration is a number of ms as a duration, 0 if it is negative or longer than 292 years.
func Duration(ms float64) time.Duration {
	if ms > float64(math.MaxInt64/int64(time.Millisecond)) || ms < 0 {
		return 0
	}
	whole := math.Trunc(ms) // times a million it would lose its last digits
	return time.Duration(whole)*time.Millisecond + time.Duration((ms-whole)*float64(time.Millisecond))
}

// ParseInt decodes a decimal integer of a hash as Node does: text after the digits is ignored,
// and no digits make 0.
func ParseInt(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	end := 0
	if end < len(s) && s[end] == '-' {
		end++
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// WholeMillis decodes a duration in milliseconds. It is 0 if it is negative or longer than 292
// years.
func WholeMillis(s string) time.Duration {
	if n := ParseInt(s); n >= 0 && n <= math.MaxInt64/int64(time.Millisecond) {
		return time.Duration(n) * time.Millisecond
	}
	return 0
}

// CappedMillis is a number of milliseconds that a script has returned, at most 292 years.
func CappedMillis(ms int64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// OptionalMillis is [Millis], with 0 for the zero time.
func OptionalMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return Millis(t)
}

// Optional is a number as text, empty for 0.
func Optional(n int64) string {
	if n == 0 {
		return ""
	}
	return FormatInt(n)
}

// IsInteger reports whether s is the text of a whole number.
func IsInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || (digits[0] == '0' && s != "0") {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}
