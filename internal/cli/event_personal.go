package cli

import (
	"bytes"
	"encoding/json"
	"errors"

	"schoolbell"
)

// readPersonal reads what an event says of single people from a file, a line for each.
func (a *program) readPersonal(name string) (people []schoolbell.PersonData, err error) {
	in, err := a.open(name)
	if err != nil {
		return nil, err
	}
	text, err := readAll(in)
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, err
	}
	number := 0
	for line := range bytes.Lines([]byte(text)) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var p schoolbell.PersonData
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		err := dec.Decode(&p)
		if err == nil && dec.More() {
			err = errors.New("the line has more than one JSON value")
		}
		if err == nil && !schoolbell.ValidJSONText(line) {
			err = errors.New(`the line has an escape of half a character (\ud800 to \udfff)`)
		}
		if err != nil {
			return nil, usage("%s, line %d: %s", name, number, oneLine(err.Error()))
		}
		people = append(people, p)
	}
	return people, nil
}

// personalText says of how many people an event has data.
func personalText(n int) string {
	if n == 0 {
		return ""
	}
	return "data of " + count(n, "person", "people")
}
