package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
)

// jsonFormat writes text as it is and says where a body is broken.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	},
	Unmarshal: decodeJSON,
}

func decodeJSON(data []byte, v any) error { return decodeNamed("the body", data, v) }

// decodeNamed decodes a JSON text that has a name.
func decodeNamed(name string, data []byte, v any) error {
	if !schoolbell.ValidJSONText(data) {
		return errors.New(name + ` is not valid UTF-8, or has an escape of half a character (\ud800 to \udfff)`)
	}
	err := json.Unmarshal(data, v)
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		line, column := position(data, bad.Offset)
		return fmt.Errorf("%s is not valid JSON at line %d, column %d: %s", name, line, column, bad.Error())
	}
	if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s cannot be a %s", bad.Field, bad.Value)
	}
	return err
}

// position returns the line and column (in bytes) of the last of the first n bytes, from 1.
func position(data []byte, n int64) (line, column int) {
	read := data[:max(0, min(n-1, int64(len(data))))]
	line = 1 + bytes.Count(read, []byte("\n"))
	return line, len(read) - bytes.LastIndexByte(read, '\n')
}

// fingerprint is the same for two JSON texts that differ in white space or in
// the order of keys only, or in members of the given names.
func fingerprint(body []byte, without ...string) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", fmt.Errorf("read the body for its fingerprint: %w", err)
	}
	if object, ok := v.(map[string]any); ok {
		for _, name := range without {
			delete(object, name)
		}
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write the body for its fingerprint: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
