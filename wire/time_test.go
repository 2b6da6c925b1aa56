package wire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/wire"
)

func TestTimeMarshal(t *testing.T) {
	t.Parallel()
	paris := time.FixedZone("", 3600)
	for _, c := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"in UTC", time.Date(2027, 6, 4, 7, 0, 0, 123e6, paris), `"2027-06-04T06:00:00.123Z"`},
		{"with three decimals", time.Date(2027, 6, 4, 7, 0, 0, 0, time.UTC), `"2027-06-04T07:00:00.000Z"`},
		{"without parts of milliseconds", time.Date(2027, 6, 4, 7, 0, 0, 1_999_999, time.UTC), `"2027-06-04T07:00:00.001Z"`},
		{"up to the year 9999", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), `"9999-12-31T23:59:59.000Z"`},
		{"as an error after that", time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, at := range []wire.Time{{Time: c.at}, wire.At(c.at)} {
				got, err := json.Marshal(at)
				if string(got) != c.want || (err != nil) != (c.want == "") {
					t.Errorf("%v is written as %s (%v), want %s", c.at, got, err, c.want)
				}
			}
		})
	}
}

func TestTimeUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       time.Time
	}{
		{"in UTC and whole milliseconds", `"2027-06-04T07:00:00.1239+01:00"`, time.Date(2027, 6, 4, 6, 0, 0, 123e6, time.UTC)},
		{"null as none", `null`, time.Time{}},
		{"the zero time as one that is not valid", `"0001-01-01T00:00:00Z"`, time.Time{}.Add(-time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got wire.Time
			if err := json.Unmarshal([]byte(c.text), &got); err != nil || got.Time != c.want {
				t.Errorf("%s is read as %v (%v), want %v", c.text, got, err, c.want)
			}
		})
	}
}

func TestNewEventJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(wire.NewEvent{Title: "A", Body: "B"})
	if want := `{"title":"A","body":"B","audience":{}}`; err != nil || string(text) != want {
		t.Errorf("an event without optional fields is %s (%v), want %s", text, err, want)
	}
	text, err = json.Marshal(wire.NewEvent{Channels: []schoolbell.Channel{}})
	if err != nil || !strings.Contains(string(text), `"channels":[]`) {
		t.Errorf("an empty list of channels is left out: %s (%v)", text, err)
	}
}

// What is read as a valid time is written as the same time.
func FuzzTime(f *testing.F) {
	for _, seed := range []string{`"2027-06-04T07:00:00.1239+01:00"`, `"0001-01-01T00:00:00Z"`, `null`, `""`, `1`,
		`"9999-12-31T23:59:59-01:00"`, `"0000-01-01T00:00:00+23:59"`, `"2027-06-04T07:00:00Z`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var at wire.Time
		if err := json.Unmarshal([]byte(text), &at); err != nil || !schoolbell.ValidTime(at.Time) {
			return
		}
		written, err := json.Marshal(at)
		if err != nil {
			t.Fatalf("%s is read as %v, which cannot be written: %v", text, at, err)
		}
		var again wire.Time
		if err := json.Unmarshal(written, &again); err != nil || again.Time != at.Time {
			t.Fatalf("%s is read as %v, written as %s and read as %v (%v)", text, at, written, again, err)
		}
	})
}
