package config

import (
	"cmp"
	"reflect"
	"strings"
)

// Setting describes one setting, for documents, lists and tests.
type Setting struct {
	Env     string   // name in the environment and in .env
	Aliases []string // further names that are accepted
	Flag    string   // name of the flag, without dashes
	Default string   // as text; empty for none
	Help    string
	Group   string // key of [Groups]
	Secret  bool   // hidden where it is printed; Env_FILE is accepted
}

// Settings lists every setting of [Config] in the order of the struct.
func Settings() []Setting {
	var out []Setting
	for _, f := range fieldsOf(&Config{}) {
		out = append(out, f.Setting)
	}
	return out
}

// field is a setting and the place that holds it.
type field struct {
	Setting
	value reflect.Value
	unit  string
}

// fieldsOf returns the settings of the struct that target points to, those of
// embedded parts included.
func fieldsOf(target any) []field {
	return appendFields(nil, reflect.ValueOf(target).Elem(), "client")
}

func appendFields(out []field, v reflect.Value, group string) []field {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if _, part := f.Tag.Lookup("embed"); part {
			out = appendFields(out, v.Field(i), cmp.Or(f.Tag.Get("group"), group))
			continue
		}
		names, ok := f.Tag.Lookup("setting")
		if !ok {
			continue
		}
		all := strings.Split(names, ",")
		out = append(out, field{
			Setting: Setting{
				Env: all[0], Aliases: all[1:], Flag: f.Tag.Get("name"), Default: f.Tag.Get("default"),
				Help: f.Tag.Get("help"), Group: group, Secret: f.Type == reflect.TypeFor[Secret](),
			},
			value: v.Field(i),
			unit:  f.Tag.Get("type"),
		})
	}
	return out
}

// Line is one setting in effect.
type Line struct {
	Setting Setting
	Value   string // secrets hidden
	Origin  Origin
}

// InForce lists every setting with its value and where that came from, in the
// order of [Settings]. c must have been filled by [Load].
func (c *Config) InForce() []Line {
	var out []Line
	for _, f := range fieldsOf(c) {
		out = append(out, Line{Setting: f.Setting, Value: encode(f.value), Origin: c.origins[f.Env]})
	}
	return out
}
