package docs_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// varying are texts that differ from run to run, and what stands for them.
var varying = []struct {
	text *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?`), "TIME"},
	{regexp.MustCompile(`"key", ?"id": ?"[0-9a-f]{12}"`), `"key", "id": "FINGERPRINT"`},
	{regexp.MustCompile(`sb_[0-9a-f]{64}`), "KEY"},
	{regexp.MustCompile(`("kind": ?"key", ?"id": ?)"[0-9a-f]{12}"`), `$1"FINGERPRINT"`},
	{regexp.MustCompile(`sbu\d\.[\w.-]+`), "TOKEN"},
	{regexp.MustCompile(`"(next|took_ms|age_ms|worker)": ?("[^"]*"|\d+)`), `"$1": …`},
	{regexp.MustCompile(`(Worker) +\S+`), "$1 …"},
	{regexp.MustCompile(`(127\.0\.0\.1|localhost):\d+`), "HOST:PORT"},
	{regexp.MustCompile(`Schoolbell \S+ serves`), "Schoolbell VERSION serves"},
	{regexp.MustCompile(`"version": ?"[^"]*"|schoolbell \S+ \(go[^)]*\)`), "VERSION"},
	{regexp.MustCompile(`[\d,]+ bytes, checked`), "SIZE, checked"}, // it depends on the schema
	{regexp.MustCompile(`all \d+ are valid|\bversion \d[\d.]*`), "N"},
	{regexp.MustCompile(`the event is (processing|completed) and not held`), "the event is not held"},
	{regexp.MustCompile(`(?m)^ *Reaching everyone: .*\n`), ""}, // only where it takes long
	{regexp.MustCompile(`\b(id|retry): \d+\n|(?m)^: still here\n`), ""},
	{regexp.MustCompile(`\s+`), " "},
}

// stable is the part of a text that is the same in every run.
func stable(text string) string {
	if end := strings.LastIndex(text, "\nevent: done\n"); end >= 0 {
		head, _, _ := strings.Cut(text, "\n\n")
		text = head + text[end:] // how many steps there were between is chance
	}
	for _, v := range varying {
		text = v.text.ReplaceAllString(text, v.with)
	}
	return strings.TrimSpace(text)
}

func TestStable(t *testing.T) {
	t.Parallel()
	a := "HTTP/1.1 201 Created\nLocation: /v1/events/01a207fd-146d-726f-bf34-a4108cbed18a\n\n{\"created_at\": \"2026-11-23T10:39:16.077Z\", \"total\": 3}"
	b := "HTTP/1.1 201 Created\nLocation: /v1/events/11111111-2222-7333-8444-555555555555\n\n{\"created_at\":  \"2027-01-02T00:00:00Z\", \"total\": 3}"
	if stable(a) != stable(b) {
		t.Errorf("%s\n%s", stable(a), stable(b))
	}
	for _, other := range []string{strings.Replace(b, "201", "200", 1), strings.Replace(b, "3}", "4}", 1), strings.Replace(b, "total", "sum", 1)} {
		if stable(a) == stable(other) {
			t.Errorf("%s passes for %s", other, a)
		}
	}
}

const prettyWidth = 130

// pretty breaks JSON into lines where necessary: what fits into a line
// stays in one. A text that is not JSON stays as it is. Several values stand below each other.
func pretty(text string) string {
	var out bytes.Buffer
	for dec := json.NewDecoder(strings.NewReader(text)); dec.More(); {
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return text
		}
		writeJSON(&out, v, "")
		out.WriteByte('\n')
	}
	return out.String()
}

func writeJSON(out *bytes.Buffer, v json.RawMessage, indent string) {
	flat := spaced(v)
	if len(indent)+len(flat) <= prettyWidth || (v[0] != '{' && v[0] != '[') {
		out.WriteString(flat)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(v))
	_, _ = dec.Token() // the bracket
	inner, first := indent+"  ", true
	out.WriteByte(v[0])
	for dec.More() {
		if !first {
			out.WriteByte(',')
		}
		first = false
		out.WriteString("\n" + inner)
		if v[0] == '{' {
			key, _ := dec.Token()
			name, _ := json.Marshal(key)
			out.Write(name)
			out.WriteString(": ")
		}
		var item json.RawMessage
		if dec.Decode(&item) != nil {
			return
		}
		writeJSON(out, item, inner)
	}
	out.WriteString("\n" + indent + string(v[0]+2)) // ] and } come two after [ and {
}

// spaced is v in one line, with blanks where people expect them.
func spaced(v json.RawMessage) string {
	var b strings.Builder
	inString, escaped := false, false
	var compact bytes.Buffer
	if json.Compact(&compact, v) != nil {
		return string(v)
	}
	for _, c := range compact.Bytes() {
		b.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func TestPretty(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a":[1,2,{"b":"x, y: \"z\" [ü]"}],"c":{}}`, `[]`, `"x"`, `{"long":["` + strings.Repeat("word ", 40) + `",null,true,1.5e3,{"x":{}}]}`} {
		var a, b bytes.Buffer
		if json.Compact(&a, []byte(text)) != nil || json.Compact(&b, []byte(pretty(text))) != nil || a.String() != b.String() {
			t.Errorf("%s became %s", text, pretty(text))
		}
	}
	if got := pretty("no JSON\n"); got != "no JSON\n" {
		t.Errorf("other text became %q", got)
	}
}
