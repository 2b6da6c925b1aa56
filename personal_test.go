package schoolbell_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"schoolbell"
)

// absent is an event about students.
func absent(people ...schoolbell.PersonData) *schoolbell.Event {
	return &schoolbell.Event{Title: "Absent", Body: "Please call.", Category: schoolbell.CategoryAttendance, ForEach: schoolbell.ForEachStudent,
		Audience: schoolbell.Audience{GuardiansOf: &schoolbell.Selector{Users: []string{"ada"}}}, Personal: people}
}

func dataOf(user, data string) schoolbell.PersonData {
	return schoolbell.PersonData{User: user, Data: json.RawMessage(data)}
}

func TestPersonalFaults(t *testing.T) {
	t.Parallel()
	many := make([]schoolbell.PersonData, schoolbell.MaxPersonal+1)
	for i := range many {
		many[i] = dataOf(fmt.Sprintf("p-%d", i), `{"n": 1}`)
	}
	heavy := slices.Clone(many[:schoolbell.MaxPersonal])
	for i := range heavy {
		heavy[i].Data = json.RawMessage(`{"n": "` + strings.Repeat("x", 500) + `"}`)
	}
	for _, x := range []struct {
		name   string
		change func(e *schoolbell.Event)
		want   []string // fields
	}{
		{"good", func(e *schoolbell.Event) {
			e.Personal = append(e.Personal, dataOf("ben", `{"reason": "ill", "n": 1.50, "told": true, "old": false, "none": null, "name": "محمد 🎒"}`))
		}, nil},
		{"for each teacher", func(e *schoolbell.Event) { e.ForEach = "teacher" }, []string{"for_each"}},
		{"for each student of nobody", func(e *schoolbell.Event) {
			e.Audience = schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"ada"}}}
		}, []string{"for_each"}},
		{"as many as possible", func(e *schoolbell.Event) { e.Personal = many[:schoolbell.MaxPersonal] }, nil},
		{"too many", func(e *schoolbell.Event) { e.Personal = many }, []string{"personal"}},
		{"too much", func(e *schoolbell.Event) { e.Personal = heavy }, []string{"personal"}},
		{"the same person twice", func(e *schoolbell.Event) { e.Personal = append(e.Personal, dataOf("ada", `{}`)) }, []string{"personal[1].user"}},
		{"no person", func(e *schoolbell.Event) { e.Personal[0].User = "" }, []string{"personal[0].user"}},
		{"no data", func(e *schoolbell.Event) { e.Personal[0].Data = nil }, []string{"personal[0].data"}},
		{"a list", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`[1]`) }, []string{"personal[0].data"}},
		{"null", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`null`) }, []string{"personal[0].data"}},
		{"two objects", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`{} {}`) }, []string{"personal[0].data"}},
		{"large data", func(e *schoolbell.Event) {
			e.Personal[0].Data = json.RawMessage(`{"n": "` + strings.Repeat("x", schoolbell.MaxPersonalData) + `"}`)
		}, []string{"personal[0].data"}},
		{"a list within", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`{"a": 1, "b": [], "c": {}}`) }, []string{"personal[0].data.b", "personal[0].data.c"}},
		{"a control character", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`{"a": "x\u0000"}`) }, []string{"personal[0].data.a"}},
		{"a line break", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`{"a": "x\ny"}`) }, []string{"personal[0].data.a"}},
		{"an override", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`{"a": "x\u202ey"}`) }, []string{"personal[0].data.a"}},
		{"a key that is no name", func(e *schoolbell.Event) { e.Personal[0].Data = json.RawMessage(`{"A b": "x"}`) }, []string{"personal[0].data"}},
	} {
		e := absent(dataOf("ada", `{"reason": "ill"}`))
		x.change(e)
		var fields []string
		for _, f := range schoolbell.FaultsOf(e.Validate(time.Now())) {
			fields = append(fields, f.Field)
		}
		if !slices.Equal(fields, x.want) {
			t.Errorf("%s: faults of %q, want %q", x.name, fields, x.want)
		}
	}
}

func FuzzPersonData(f *testing.F) {
	f.Add(`{"reason": "ill", "n": 1e9, "told": true}`)
	f.Add(`{"a": "\u202e", "b": {"c": []}}`)
	f.Fuzz(func(t *testing.T, data string) {
		values, err := dataOf("ada", data).Values()
		if err != nil {
			if schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
				t.Errorf("not the input's fault: %v", err)
			}
			return
		}
		for key, value := range values {
			if !schoolbell.ValidDataKey(key) || value == "" || !schoolbell.IsLine(value) {
				t.Errorf("%q is %q", key, value)
			}
		}
		text, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		again, err := dataOf("ada", string(text)).Values()
		if err != nil || !maps.Equal(again, values) {
			t.Errorf("%v became %v (%v)", values, again, err)
		}
	})
}
