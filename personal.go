package schoolbell

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ForEach says whom the messages of an event are about.
type ForEach string

// ForEachStudent makes the messages of an event about the students that guardians_of selects: each guardian is told
// about their own.
const ForEachStudent ForEach = "student"

// Limits on the data that an event has for single people.
const (
	MaxPersonal      = 10_000  // people
	MaxPersonalData  = 2 << 10 // bytes of the data of one, as JSON
	MaxPersonalTotal = 4 << 20 // bytes of the data of all
	MaxDataKey       = 40      // characters of a key

	maxPersonalFaults = 100 // that are reported of one event
)

// PersonData is what an event says of one person: of a recipient, or of a student whose guardians are told.
type PersonData struct {
	User string          `json:"user" doc:"Id of the recipient, or of a student."`
	Data json.RawMessage `json:"data" doc:"Object of texts, numbers and booleans, at most 2 KiB. Keys have small letters, digits and _."`
}

// PersonalText is what the messages of an event to one person do not share with others.
type PersonalText struct {
	Name     string            `json:"name"`     // of the recipient
	Data     map[string]string `json:"data"`     // of the recipient; nil for none
	Students []Student         `json:"students"` // of the recipient whom the event concerns, by name
}

// For gives the text the name of its recipient and returns it. A nil text becomes one that says nothing else.
func (t *PersonalText) For(name string) *PersonalText {
	if t == nil {
		t = &PersonalText{}
	}
	t.Name = name
	return t
}

// Student is a student whom a message is about.
type Student struct {
	ID   string            `json:"id"`
	Name string            `json:"name"`
	Data map[string]string `json:"data"` // nil for none
}

// Personalized reports whether the messages of e differ between recipients by more than their names and languages.
func (e *Event) Personalized() bool {
	return e.ForEach != "" || e.PersonalCount > 0 || len(e.Personal) > 0
}

// Values returns the data as texts by key. Numbers stay as they are written; false and null are left out, as is an
// empty text. What is wrong with the data is Faults, each with the key as its field.
func (p PersonData) Values() (map[string]string, error) {
	if values, ok := plainValues(p.Data); ok {
		return values, nil
	}
	return anyValues(p.Data)
}

func anyValues(data []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var given map[string]any
	if err := dec.Decode(&given); err != nil || given == nil || dec.InputOffset() != int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return nil, Invalid("", "must be a JSON object")
	}
	var f Faults
	values := make(map[string]string, len(given))
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !ValidDataKey(key) {
			f.Add("", "has a key that is not 1 to %d small letters, digits and _", MaxDataKey)
			continue
		}
		text, ok := dataText(given[key])
		switch {
		case !ok:
			f.Add(key, "must be a text, a number or a boolean")
		case lineFault(text) != "":
			f.Add(key, "%s", lineFault(text))
		case strings.TrimSpace(text) != "":
			values[key] = strings.TrimSpace(text)
		}
	}
	return values, f.Err()
}

// dataText returns a value of personal data as text. ok is false for lists and objects.
func dataText(value any) (text string, ok bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case bool:
		if v {
			return "true", true
		}
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// ValidDataKey reports whether personal data may have a key.
func ValidDataKey(key string) bool {
	return key != "" && len(key) <= MaxDataKey && !strings.ContainsFunc(key, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
}

// validatePersonal reports what is wrong with the personal data of a new event. Whether its people exist, the ledger knows.
func (e *Event) validatePersonal(f *Faults) {
	switch {
	case e.ForEach == "":
	case e.ForEach != ForEachStudent:
		f.Add("for_each", "must be %s", ForEachStudent)
	case e.Audience.GuardiansOf.Empty():
		f.Add("for_each", "needs an audience with guardians_of, which selects the students")
	}
	if len(e.Personal) > MaxPersonal {
		f.Add("personal", "must be at most %d people", MaxPersonal)
		return
	}
	var found Faults
	seen, size := make(map[string]bool, len(e.Personal)), 0
	for i, p := range e.Personal {
		p.validate(&found, i)
		if seen[p.User] {
			found.Add(fmt.Sprintf("personal[%d].user", i), "is there twice")
		}
		seen[p.User] = true
		size += len(p.Data)
	}
	if size > MaxPersonalTotal {
		found.Add("personal", "must have at most %d MiB of data in all", MaxPersonalTotal>>20)
	}
	*f = append(*f, found[:min(len(found), maxPersonalFaults)]...)
}

// validate reports what is wrong with the i-th of the people of whom an event says something.
func (p PersonData) validate(f *Faults, i int) {
	if !ValidID(p.User) {
		f.Add(fmt.Sprintf("personal[%d].user", i), "is not a valid id")
	}
	if len(p.Data) > MaxPersonalData {
		f.Add(fmt.Sprintf("personal[%d].data", i), "must be at most %d bytes", MaxPersonalData)
		return
	}
	_, err := p.Values()
	for _, fault := range FaultsOf(err) {
		name := fmt.Sprintf("personal[%d].data", i)
		if fault.Field != "" {
			name += "." + fault.Field
		}
		f.Add(name, "%s", fault.Message)
	}
}
