package wire

import (
	"fmt"
	"time"

	"schoolbell"
)

const timeLayout = "2006-01-02T15:04:05.000Z"

// Time is a time as the API writes it: RFC 3339, UTC, always three decimals. The zero
// Time stands for none; fields with omitzero leave it out.
type Time struct{ time.Time }

// At returns t as a Time: UTC, whole milliseconds. The zero time stays zero.
func At(t time.Time) Time { return Time{schoolbell.Time(t)} }

// MarshalJSON writes the time. It fails for years that RFC 3339 has no digits for.
func (t Time) MarshalJSON() ([]byte, error) {
	utc := t.UTC()
	if year := utc.Year(); year < 0 || year > 9999 {
		return nil, fmt.Errorf("the year %d has no form in RFC 3339", year)
	}
	return utc.AppendFormat(nil, `"`+timeLayout+`"`), nil
}

// UnmarshalJSON reads a time in RFC 3339. The zero time is read as the second before
// it: it was written, so it must not be taken for none. [schoolbell.ValidTime] refuses both.
func (t *Time) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	var at time.Time
	if err := at.UnmarshalJSON(text); err != nil {
		return err
	}
	if *t = At(at); t.IsZero() {
		t.Time = time.Time{}.Add(-time.Second)
	}
	return nil
}
