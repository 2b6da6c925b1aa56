package schoolbell

import (
	"path"
	"strings"
	"sync"
	"time"
)

// Years of the times that the module accepts, in UTC. RFC 3339 has four digits for
// a year, and a zone can move a time from one year into the next.
const (
	minYear = 1970
	maxYear = 9999
)

// Time returns t as the module keeps times: UTC, whole milliseconds. The zero time stays zero.
func Time(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// ValidTime reports whether t is within the years 1970 to 9999 in UTC.
func ValidTime(t time.Time) bool {
	year := t.UTC().Year()
	return year >= minYear && year <= maxYear
}

func checkTime(f *Faults, field string, t time.Time) {
	if !t.IsZero() && !ValidTime(t) {
		f.Add(field, "must be within the years %d to %d in UTC", minYear, maxYear)
	}
}

// ValidTimezone reports whether name is a time zone of the IANA database that
// people can be in, such as Europe/London. Names that stand for something else
// are refused: the zone of the machine, rules without a place, the copies that
// some systems keep under posix/ and right/, and other spellings of a file's path.
func ValidTimezone(name string) bool {
	switch name {
	case "", "Local", "localtime", "posixrules", "Factory", "leapseconds", "leap-seconds.list":
		return false
	}
	if strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/") || path.Clean(name) != name {
		return false
	}
	return validTimezones.get(name) != nil
}

// FirstTimezone returns the first of the time zones that there is, or UTC.
func FirstTimezone(names ...string) *time.Location {
	for _, name := range names {
		if ValidTimezone(name) {
			if zone := validTimezones.get(name); zone != nil {
				return zone
			}
		}
	}
	return time.UTC
}

// timezones remembers time zones by their names, because time.LoadLocation reads a file at each call. The
// names are few; the limit is for file systems that find them in any case. It is safe for
// concurrent use.
type timezones struct {
	mu    sync.RWMutex
	zones map[string]*time.Location
}

const maxTimezones = 2_000

var validTimezones = timezones{zones: map[string]*time.Location{}}

// get returns a time zone, nil if there is none of the name.
func (t *timezones) get(name string) *time.Location {
	t.mu.RLock()
	zone := t.zones[name]
	t.mu.RUnlock()
	if zone != nil {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.zones) < maxTimezones {
		t.zones[strings.Clone(name)] = zone
	}
	return zone
}
