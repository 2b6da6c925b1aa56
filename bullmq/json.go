package bullmq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encodeJSON encodes v as it is stored: on one line, without escaping HTML.
func encodeJSON(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if !json.Valid(raw) {
			return nil, invalid("not a JSON value")
		}
		return raw, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: encode as JSON: %w", ErrInvalid, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// objectWriter writes a JSON object member by member.
type objectWriter struct{ b []byte }

func (w *objectWriter) key(name string) {
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = strconv.AppendQuote(w.b, name) // all our names are plain ASCII
	w.b = append(w.b, ':')
}

func (w *objectWriter) integer(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *objectWriter) text(name, s string) {
	w.key(name)
	w.b = appendString(w.b, s)
}

func (w *objectWriter) raw(name, json string) {
	w.key(name)
	w.b = append(w.b, json...)
}

func (w *objectWriter) close() []byte { return append(w.b, '}') }

func appendString(b []byte, s string) []byte {
	text, _ := encodeJSON(s) // a string always encodes
	return append(b, text...)
}

// decodeNumber decodes a number, also one in quotes. Any other text is 0.
func decodeNumber(raw json.RawMessage) float64 {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		return 0
	}
	return f
}

// isNumber reports whether decodeNumber finds a number.
func isNumber(raw json.RawMessage) bool {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	return err == nil && math.Abs(f) <= 1<<53 // false for NaN
}

func decodeText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// rawJSON returns the JSON value in s, or nil if s is not one.
func rawJSON(s string) json.RawMessage {
	if s == "" || !json.Valid([]byte(s)) {
		return nil
	}
	return json.RawMessage(s)
}

// encodeValue is encodeJSON for values that may contain encoded JSON, whose texts may not be
// UTF-8.
func encodeValue(v any) ([]byte, error) {
	text, err := encodeJSON(v)
	if err == nil && !utf8.Valid(text) {
		return nil, invalid("JSON that is not UTF-8")
	}
	return text, err
}
