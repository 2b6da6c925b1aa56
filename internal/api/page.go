package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"schoolbell"
)

const (
	defaultLimit  = 50
	maxCursorSize = 1024
)

// Page is the part of a request that asks for one page of a list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Maximum number of rows."`
	Cursor string `query:"cursor" doc:"The value of next on the previous page. Leave out for the first page."`
}

// cursor is a place in a list, after which the next page begins. Kind keeps the
// cursor of one list out of another.
type cursor struct {
	Kind    string             `json:"k"`
	ID      string             `json:"i,omitempty"`
	Wave    int                `json:"w,omitempty"`
	Channel schoolbell.Channel `json:"c,omitempty"`
	N       int64              `json:"n,omitempty"`
}

// encode writes the cursor as clients carry it; decodeCursor is its only reader.
func (c cursor) encode() (string, error) {
	text, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// decodeCursor reads a cursor of that kind; an empty text is the zero cursor.
func decodeCursor(kind, text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	wrong := schoolbell.Invalid("cursor", "does not belong to this list")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > maxCursorSize {
		return cursor{}, wrong
	}
	var c cursor
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return cursor{}, wrong
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || c.Kind != kind || !c.valid() {
		return cursor{}, wrong
	}
	return c, nil
}

// maxPosition bounds N, so that adding a page to it cannot overflow.
const maxPosition = 1 << 53

// valid reports whether the list of its kind could have given c out. Clients can
// forge cursors, so what they hold is input as any other.
func (c cursor) valid() bool {
	if c.N < 0 || c.N > maxPosition || c.Wave < 0 || c.Wave > schoolbell.MaxWaves || c.Wave > 0 && c.Kind != "deliveries" {
		return false
	}
	switch c.Kind {
	case "deliveries":
		return c.Channel.Valid() && c.ID == ""
	case "inbox", "jobs", "attempts":
		return c.N > 0 && c.ID == "" && c.Channel == ""
	default:
		return schoolbell.ValidID(c.ID) && c.N == 0 && c.Channel == ""
	}
}

// cut shortens a list that was read with one more than limit, and makes the
// cursor of the next page from the last that stays. There is none on the last page.
func cut[T any](list []T, limit int, at func(T) cursor) ([]T, string, error) {
	if len(list) <= limit {
		return list, "", nil
	}
	list = list[:limit]
	next, err := at(list[limit-1]).encode()
	return list, next, err
}
