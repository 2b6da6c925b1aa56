// Package datatable reads what a table says of single people, as people paste it from a spreadsheet.
package datatable

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"schoolbell"
)

// Field is the field of all faults of a table.
const Field = "personal"

// maxFaults bounds how many faults of a table are reported.
const maxFaults = 20

// Read returns what a table says of each person, and the names of its columns. The first row has the names: user, and those that
// messages use as {{data.name}}. Cells are separated by tabs, semicolons or commas, as in the first row; RFC 4180 quotes them. Empty
// cells say nothing. Faults name the row, of which the first after the names is 1.
func Read(text string) (people []schoolbell.PersonData, names []string, faults schoolbell.Faults) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = separator(text), -1
	header, err := r.Read()
	if err != nil {
		faults.Add(Field, "the names of the columns cannot be read: %v", reason(err))
		return nil, nil, faults
	}
	user := -1
	for i, cell := range header {
		name := columnName(cell)
		switch {
		case name == "user" && user < 0:
			user = i
		case slices.Contains(names, name):
			faults.Add(Field, "the column %s is there twice", name)
		case !schoolbell.ValidDataKey(name):
			faults.Add(Field, "the name of column %d must have small letters, digits and _ only, such as room", i+1)
		}
		names = append(names, name)
	}
	if user < 0 {
		faults.Add(Field, "the first row must name the columns, and one of them user: it has the ids of the people")
	}
	if len(faults) > 0 {
		return nil, nil, faults
	}
	people, faults = rows(r, names, user)
	return people, append(names[:user:user], names[user+1:]...), faults
}

// rows reads the rows after the names.
func rows(r *csv.Reader, names []string, user int) (people []schoolbell.PersonData, faults schoolbell.Faults) {
	for n := 1; len(faults) < maxFaults; n++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return people, faults
		}
		switch {
		case err != nil:
			faults.Add(Field, "row %d cannot be read: %v", n, reason(err))
			return people, faults
		case len(cells) > len(names):
			faults.Add(Field, "row %d has %d cells, and there are %d columns", n, len(cells), len(names))
			continue
		case len(cells) <= user || strings.TrimSpace(cells[user]) == "":
			faults.Add(Field, "row %d names no user", n)
			continue
		case n > schoolbell.MaxPersonal:
			faults.Add(Field, "has more than %d rows", schoolbell.MaxPersonal)
			return people, faults
		}
		values := map[string]string{}
		for i, cell := range cells {
			if cell = strings.TrimSpace(cell); i != user && cell != "" {
				values[names[i]] = cell
			}
		}
		data, err := json.Marshal(values)
		if err != nil {
			faults.Add(Field, "row %d cannot be stored", n)
			continue
		}
		people = append(people, schoolbell.PersonData{User: strings.TrimSpace(cells[user]), Data: data})
	}
	return people, faults
}

// separator is what separates the cells of the first row.
func separator(text string) rune {
	first, _, _ := strings.Cut(text, "\n")
	for _, c := range "\t;" {
		if strings.ContainsRune(first, c) {
			return c
		}
	}
	return ','
}

// columnName is the name of a column as messages have it.
func columnName(cell string) string {
	cell = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(cell, "\ufeff")))
	return strings.ReplaceAll(cell, " ", "_")
}

// reason is what the decoder says, without its count of lines.
func reason(err error) error {
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("a quotation mark is missing or in the wrong place (%w)", bad.Err)
	}
	return err
}

// Place is where in a table the field of an event is, such as "row 3, room" of personal[2].data.room. ok is false for other fields.
func Place(field string) (place string, ok bool) {
	rest, ok := strings.CutPrefix(field, Field+"[")
	index, rest, closed := strings.Cut(rest, "]")
	n, err := strconv.Atoi(index)
	if !ok || !closed || err != nil {
		return "", false
	}
	place = "row " + strconv.Itoa(n+1)
	if key, named := strings.CutPrefix(rest, ".data."); named {
		place += ", " + key
	}
	return place, true
}
