package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EncodeJSON encodes v as it is stored: on one line, without escaping HTML.
func EncodeJSON(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if !json.Valid(raw) {
			return nil, errors.New("not a JSON value")
		}
		return raw, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode as JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Object writes a JSON object member by member. Its zero value is empty. Names must be plain
// ASCII, except that of [Object.Any].
type Object struct{ b []byte }

// NewObject returns an empty object with room for size bytes.
func NewObject(size int) Object { return Object{b: make([]byte, 0, size)} }

func (w *Object) key(name string) {
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = strconv.AppendQuote(w.b, name)
	w.b = append(w.b, ':')
}

// Integer appends a number.
func (w *Object) Integer(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

// Text appends a string.
func (w *Object) Text(name, s string) {
	w.key(name)
	w.b = AppendString(w.b, s)
}

// Raw appends a value that is JSON.
func (w *Object) Raw(name, json string) {
	w.key(name)
	w.b = append(w.b, json...)
}

// Any appends a value that is JSON under any name. The object must not be empty.
func (w *Object) Any(name string, json []byte) {
	w.b = append(w.b, ',')
	w.b = AppendString(w.b, name)
	w.b = append(w.b, ':')
	w.b = append(w.b, json...)
}

// Close returns the object, which must not be empty.
func (w *Object) Close() []byte { return append(w.b, '}') }

// AppendString appends a string as JSON.
func AppendString(b []byte, s string) []byte {
	text, _ := EncodeJSON(s) // a string always encodes
	return append(b, text...)
}

// DecodeNumber decodes a number, also one in quotes. Any other text is 0.
func DecodeNumber(raw json.RawMessage) float64 {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		return 0
	}
	return f
}

// IsNumber reports whether DecodeNumber finds a number.
func IsNumber(raw json.RawMessage) bool {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	return err == nil && math.Abs(f) <= 1<<53 // false for NaN
}

// DecodeText decodes a string. Any other value is empty.
func DecodeText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// RawJSON returns the JSON value in s, or nil if s is not one.
func RawJSON(s string) json.RawMessage {
	if s == "" || !json.Valid([]byte(s)) {
		return nil
	}
	return json.RawMessage(s)
}

// EncodeValue is EncodeJSON for values that may contain encoded JSON, whose texts may not be
// UTF-8.
func EncodeValue(v any) ([]byte, error) {
	text, err := EncodeJSON(v)
	if err == nil && !utf8.Valid(text) {
		return nil, errors.New("JSON that is not UTF-8")
	}
	return text, err
}
