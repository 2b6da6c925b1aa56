package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// decode sets v, a field of one of the kinds settings have, from text. unit is
// the field's tag type, which gives plain numbers of durations their meaning.
func decode(v reflect.Value, text, unit string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *Secret:
		*p = Secret(text)
	case *bool:
		b, err := parseBool(text)
		*p = b
		return err
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("must be a whole number")
		}
		*p = n
	case *time.Duration:
		d, err := ParseDuration(text, unit)
		*p = d
		return err
	case *[]string:
		*p = splitList(text)
	case *Keep:
		return p.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("config: no decoder for %s", v.Type()))
	}
	return nil
}

// ParseDuration reads Go's notation, such as 1m30s, or a plain number of the
// unit, "ms" or "s".
func ParseDuration(text, unit string) (time.Duration, error) {
	size := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second}[unit]
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n > int64(math.MaxInt64/size) || n < -int64(math.MaxInt64/size) {
			return 0, fmt.Errorf("is too long")
		}
		return time.Duration(n) * size, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("must be a duration such as 1m30s or 500ms, or a number of %s", unit)
	}
	return d, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false")
}

func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// encode is the inverse of decode, with secrets hidden.
func encode(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case []string:
		return strings.Join(x, ",")
	case time.Duration:
		return formatDuration(x)
	default:
		return fmt.Sprint(x)
	}
}

// formatDuration is Go's notation without the zeros at its end: 24h, not 24h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
