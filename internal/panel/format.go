package panel

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// number writes a number with separators: 12,345.
func number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// count writes a number and its noun: 1 event, 2 events.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// roughly says a duration as people do.
func roughly(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return count(max(1, int(d.Round(time.Second)/time.Second)), "second", "seconds")
	case d < 90*time.Minute:
		return count(int(d.Round(time.Minute)/time.Minute), "minute", "minutes")
	case d < 36*time.Hour:
		return count(int(d.Round(time.Hour)/time.Hour), "hour", "hours")
	}
	return count(int(d.Round(24*time.Hour)/(24*time.Hour)), "day", "days")
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }

// moment is a time as the panel shows it: as people say it, and exact for those who ask.
type moment struct {
	Text  string // 07:12, Mon 14:32, 21 Nov, 21 Nov 2025
	Exact string // Tuesday 24 November 2026, 07:12:09 GMT
	ISO   string // of the attribute datetime; empty for no time
}

// when says a time in the zone of the school.
func (s *Server) when(t time.Time) moment {
	if t.IsZero() {
		return moment{Text: "–"}
	}
	zone := s.zone()
	t, now := t.In(zone), s.now().In(zone)
	m := moment{Exact: t.Format("Monday 2 January 2006, 15:04:05 MST"), ISO: t.Format(time.RFC3339)}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	days := int(time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, zone).Sub(today).Hours()) / 24
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		m.Text = t.Format("15:04")
	case t.After(now) && days == 1:
		m.Text = t.Format("Tomorrow 15:04")
	case t.Before(now) && now.Sub(t) < 6*24*time.Hour, t.After(now) && t.Sub(now) < 6*24*time.Hour:
		m.Text = t.Format("Mon 15:04")
	case t.Year() == now.Year():
		m.Text = t.Format("Mon 2 Jan")
	default:
		m.Text = t.Format("2 Jan 2006")
	}
	return m
}

// zone is the time zone of the school.
func (s *Server) zone() *time.Location {
	if zone, err := time.LoadLocation(s.cfg.Settings().Timezone); err == nil {
		return zone
	}
	return time.UTC
}
