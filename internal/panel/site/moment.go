package site

import (
	"strings"
	"time"
)

// Moment is a time as the panel shows it: as people say it, and exact for those who ask.
type Moment struct {
	Text  string // 07:12, Mon 14:32, 21 Nov, 21 Nov 2025
	Exact string // Tuesday 24 November 2026, 07:12:09 GMT
	ISO   string // of the attribute datetime; empty for no time
}

// When says a time in the zone of the school.
func (s *Site) When(t time.Time) Moment {
	if t.IsZero() {
		return Moment{Text: "–"}
	}
	zone := s.Zone()
	t, now := t.In(zone), s.Now().In(zone)
	m := Moment{Exact: t.Format("Monday 2 January 2006, 15:04:05 MST"), ISO: t.Format(time.RFC3339)}
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

// Zone is the time zone of the school.
func (s *Site) Zone() *time.Location {
	if zone, err := time.LoadLocation(s.cfg.Settings().Timezone); err == nil {
		return zone
	}
	return time.UTC
}

// Clock says a time to the second where it is of today: mails come many in a minute.
func (s *Site) Clock(t time.Time) Moment {
	m := s.When(t)
	if now := s.Now().In(s.Zone()); m.ISO != "" && now.Format(time.DateOnly) == t.In(s.Zone()).Format(time.DateOnly) {
		m.Text = t.In(s.Zone()).Format("15:04:05")
	}
	return m
}

// Precisely says a time with its seconds, where it says a time of day.
func (s *Site) Precisely(t time.Time) Moment {
	m := s.When(t)
	at := t.In(s.Zone())
	m.Text = strings.Replace(m.Text, at.Format("15:04"), at.Format("15:04:05"), 1)
	return m
}
