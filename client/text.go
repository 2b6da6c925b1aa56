package client

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"schoolbell"
)

// checkText returns CodeInvalid if a string in v is not valid UTF-8. Without it,
// encoding/json would replace what is wrong by U+FFFD and the server could not know.
// Raw JSON is left to the server.
func checkText(v any) error {
	if field, bad := badText(reflect.ValueOf(v)); bad {
		return schoolbell.Invalid(strings.Trim(field, "."), "must be valid UTF-8")
	}
	return nil
}

// badText finds the first string in v that is not valid UTF-8; field is its place in
// the JSON of v, such as .preferences[0].category.
func badText(v reflect.Value) (field string, bad bool) {
	switch v.Kind() {
	case reflect.String:
		return "", !utf8.ValidString(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			return badText(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return "", false
		}
		for i := range v.Len() {
			if at, bad := badText(v.Index(i)); bad {
				return fmt.Sprintf("[%d]%s", i, at), true
			}
		}
	case reflect.Struct:
		for f, member := range v.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "-" {
				continue
			}
			if at, bad := badText(member); bad {
				if f.Anonymous {
					return at, true
				}
				return "." + name + at, true
			}
		}
	}
	return "", false
}
