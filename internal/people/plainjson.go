package people

import (
	"strings"
	"unicode/utf8"

	"schoolbell"
)

// parsePlain reads a user from a JSON object in the form that nearly all lines have: known fields, each once, whose
// values are strings or lists of strings, without escapes. It takes a tenth of the time of encoding/json. ok is
// false for every other line, valid or not: parseObject knows what to say about it.
func parsePlain(line []byte) (u *schoolbell.User, ok bool) {
	if !utf8.Valid(line) {
		return nil, false
	}
	p := plainObject{text: string(line)} // one copy, of which the values are parts
	u = &schoolbell.User{}
	seen := 0
	if !p.take('{') {
		return nil, false
	}
	for first := true; !p.take('}'); first = false {
		if !first && !p.take(',') {
			return nil, false
		}
		name, ok := p.string()
		field := plainField(name)
		if !ok || field == 0 || seen&field != 0 || !p.take(':') || !p.value(u, field) {
			return nil, false
		}
		seen |= field
	}
	return u, p.text == "" && seen&plainID != 0
}

// The fields of a plain object.
const (
	plainID = 1 << iota
	plainName
	plainEmail
	plainPhone
	plainRoles
	plainGroups
	plainLocale
	plainTimezone
	plainGuardianOf
)

func plainField(name string) int {
	switch name {
	case "id":
		return plainID
	case "name":
		return plainName
	case "email":
		return plainEmail
	case "phone":
		return plainPhone
	case "roles":
		return plainRoles
	case "groups":
		return plainGroups
	case "locale":
		return plainLocale
	case "timezone":
		return plainTimezone
	case "guardian_of":
		return plainGuardianOf
	}
	return 0
}

// plainObject is the rest of an object that is being read.
type plainObject struct{ text string }

// value reads the value of a field into u.
func (p *plainObject) value(u *schoolbell.User, field int) (ok bool) {
	switch field {
	case plainID:
		u.ID, ok = p.string()
	case plainName:
		u.Name, ok = p.string()
	case plainEmail:
		u.Email, ok = p.string()
	case plainPhone:
		u.Phone, ok = p.string()
	case plainLocale:
		u.Locale, ok = p.string()
	case plainTimezone:
		u.Timezone, ok = p.string()
	case plainRoles:
		u.Roles, ok = plainList[schoolbell.Role](p)
	case plainGroups:
		u.Groups, ok = plainList[string](p)
	case plainGuardianOf:
		u.GuardianOf, ok = plainList[string](p)
	}
	return ok
}

// skipSpace passes over white space.
func (p *plainObject) skipSpace() {
	for p.text != "" && (p.text[0] == ' ' || p.text[0] == '\t' || p.text[0] == '\n' || p.text[0] == '\r') {
		p.text = p.text[1:]
	}
}

// take passes over a character with the white space around it, if it comes next.
func (p *plainObject) take(c byte) bool {
	p.skipSpace()
	if p.text == "" || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	p.skipSpace()
	return true
}

// string reads a string without escapes.
func (p *plainObject) string() (s string, ok bool) {
	if p.text == "" || p.text[0] != '"' {
		return "", false
	}
	end := strings.IndexByte(p.text[1:], '"') + 1
	if end == 0 {
		return "", false
	}
	s, p.text = p.text[1:end], p.text[end+1:]
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '\\' {
			return "", false
		}
	}
	return s, true
}

// plainList reads a list of strings.
func plainList[T ~string](p *plainObject) (list []T, ok bool) {
	if !p.take('[') {
		return nil, false
	}
	list = make([]T, 0, 1)
	for !p.take(']') {
		if len(list) > 0 && !p.take(',') {
			return nil, false
		}
		s, ok := p.string()
		if !ok {
			return nil, false
		}
		list = append(list, T(s))
	}
	return list, true
}
