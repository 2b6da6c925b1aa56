package template_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"schoolbell/internal/template"
)

var names = &template.Names{
	Kinds: map[string]template.Kind{
		"event.title": template.Line, "event.body": template.Block, "event.location": template.Line,
		"user.name": template.Line, "link": template.URL, "students": template.List,
	},
	Lists: map[string]template.Names{"students": {Kinds: map[string]template.Kind{"name": template.Line}, Open: []string{"data."}}},
	Open:  []string{"data."},
}

func lookup(v template.Values) template.Lookup {
	return func(name string) (template.Value, bool) {
		x, ok := v[name]
		return x, ok
	}
}

// fill makes the text of source with the values that messages share and those of one recipient.
func fill(t testing.TB, source string, format template.Format, shared, personal template.Values) string {
	t.Helper()
	parsed, err := template.Parse(source, format, names, nil)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := parsed.Bind(lookup(shared))
	if err != nil {
		t.Fatal(err)
	}
	values, err := bound.Fill(lookup(personal))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, p := range bound.Pieces {
		b.WriteString(p)
		if i < len(values) {
			b.WriteString(values[i])
		}
	}
	return b.String()
}

func students(names ...string) template.Value {
	v := template.Value{Text: strings.Join(names, " and ")}
	for _, n := range names {
		v.Entries = append(v.Entries, template.Values{"name": {Text: n}, "data.of": {Text: "of " + n}})
	}
	return v
}

func TestFill(t *testing.T) {
	t.Parallel()
	shared := template.Values{"event.title": {Text: "Trip <1>"}, "event.location": {}, "event.body": {Text: "a\n\nb", HTML: "<p>a</p><p>b</p>"}}
	personal := template.Values{"user.name": {Text: "Ada & Co"}, "students": students("Nia", "Omar"), "data.room": {Text: "12"}, "link": {Text: "https://a.example/?b=c&d"}}
	for _, x := range []struct {
		name, source string
		format       template.Format
		want         string
	}{
		{"values", "{{event.title}} for {{user.name}}", template.Text, "Trip <1> for Ada & Co"},
		{"values in HTML", `<p title="{{user.name}}">{{event.title}}</p>`, template.HTML, `<p title="Ada &amp; Co">Trip &lt;1&gt;</p>`},
		{"an address", `<a href="{{link}}">x</a>`, template.HTML, `<a href="https://a.example/?b=c&amp;d">x</a>`},
		{"paragraphs", "{{event.body}}", template.HTML, "<p>a</p><p>b</p>"},
		{"a fallback", "at {{event.location|the school}}", template.Text, "at the school"},
		{"a personal fallback", "{{data.time|soon}}", template.Text, "soon"},
		{"a value that the caller chose", "room {{data.room}}", template.Text, "room 12"},
		{"a condition", "{{#if event.location}}at {{event.location}}{{else}}here{{/if}}", template.Text, "here"},
		{"a personal condition", "{{#if user.name}}Dear {{user.name}}{{else}}Hello{{/if}}", template.Text, "Dear Ada & Co"},
		{"a loop", "{{#each students}}- {{name}}, {{event.title}}\n{{/each}}", template.Text, "- Nia, Trip <1>\n- Omar, Trip <1>\n"},
		{"data of an entry", "{{#each students}}{{name}}: {{data.of}}, {{data.room|none}}. {{/each}}{{data.room}}", template.Text, "Nia: of Nia, none. Omar: of Omar, none. 12"},
		{"a list", "{{students}}", template.Text, "Nia and Omar"},
		{"tags on lines of their own", "a\n{{#if user.name}}\nb\n{{/if}}\n  {{! note }}  \nc\n", template.Text, "a\nb\nc\n"},
		{"braces", "{{{{x}} and }}", template.Text, "{{x}} and }}"},
	} {
		if got := fill(t, x.source, x.format, shared, personal); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		source string
		format template.Format
		want   string
	}{
		{"a\n{{event.titel}}", template.Text, `line 2: there is no "event.titel"; did you mean "event.title"?`},
		{"{{user}}", template.Text, `line 1: there is no "user"`},
		{"{{name}}", template.Text, `line 1: there is no "name"`},
		{"{{#each students}}{{nam}}{{/each}}", template.Text, `line 1: there is no "nam"; did you mean "name"?`},
		{"{{data.Room}}", template.Text, `line 1: there is no "data.Room"`},
		{"{{}}", template.Text, "line 1: {{}} has no name"},
		{"{{event.title", template.Text, "line 1: {{ has no }}"},
		{"{{#if event.title}}\n\nx", template.Text, "line 1: {{#if event.title}} has no {{/if}}"},
		{"x{{/if}}", template.Text, "line 1: {{/if}} has no beginning"},
		{"{{#each event.title}}{{/each}}", template.Text, "line 1: {{#each event.title}} is not possible: it takes a list, and not within another {{#each}}"},
		{"{{#each students}}{{#each students}}{{/each}}{{/each}}", template.Text, "line 1: {{#each students}} is not possible: it takes a list, and not within another {{#each}}"},
		{"{{#with x}}{{/with}}", template.Text, "line 1: there is no {{#with}}; there are {{#if}} and {{#each}}"},
		{"{{> nothing}}", template.Text, `line 1: there is no part "nothing"`},
		{"\xff", template.Text, "line 1: the template is not valid UTF-8"},
		{strings.Repeat("{{#if user.name}}", 10) + strings.Repeat("{{/if}}", 10), template.Text, "line 1: blocks are nested deeper than 8"},
		{strings.Repeat("{{user.name}}", 2001), template.Text, "line 1: the template has more than 2000 tags"},
		{strings.Repeat("x", template.MaxSource+1), template.Text, "line 1: the template is longer than 64 KiB"},
		{"\n<a href=\"{{user.name}}\">", template.HTML, "line 2: {{user.name}} cannot stand here"},
		{"<p title={{user.name}}>", template.HTML, "line 1: {{user.name}} cannot stand here"},
		{"<p style=\"color:{{user.name}}\">", template.HTML, "line 1: {{user.name}} cannot stand here"},
		{"<p onclick=\"{{user.name}}\">", template.HTML, "line 1: {{user.name}} cannot stand here"},
		{"<script>{{user.name}}</script>", template.HTML, "line 1: {{user.name}} cannot stand here"},
		{"<p title=\"{{event.body}}\">", template.HTML, "line 1: {{event.body}} has paragraphs and can only stand between elements"},
		{"<p title=\"", template.HTML, "line 1: this is not well-formed HTML"},
		{"<p {{#if user.name}}title=\"{{/if}}>", template.HTML, "line 1: this is not well-formed HTML"},
	} {
		_, err := template.Parse(x.source, x.format, names, nil)
		var e *template.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%.60q: %v\nwant %s", x.source, err, x.want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("a long message is an error and takes no memory", func(t *testing.T) {
		t.Parallel()
		body := template.Value{Text: strings.Repeat("x", 20_000)}
		parsed, err := template.Parse(strings.Repeat("{{event.title}}", 1000), template.Text, names, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parsed.Bind(lookup(template.Values{"event.title": body})); !errors.Is(err, template.ErrTooLong) {
			t.Errorf("shared: %v", err)
		}
		bound, err := parsed.Bind(lookup(nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bound.Fill(lookup(template.Values{"event.title": body})); !errors.Is(err, template.ErrTooLong) {
			t.Errorf("personal: %v", err)
		}
	})
	t.Run("a long list is cut off", func(t *testing.T) {
		t.Parallel()
		var many []string
		for i := range 2 * template.MaxEntries {
			many = append(many, fmt.Sprint(i))
		}
		got := fill(t, "{{#each students}}x{{/each}}", template.Text, nil, template.Values{"students": students(many...)})
		if len(got) != template.MaxEntries {
			t.Errorf("%d entries", len(got))
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("<p>{{user.name}}</p>{{#if link}}<a href=\"{{link}}\">x</a>{{/if}}", "<script>\"'&")
	f.Add("{{#each students}}<b title='{{name}}'>{{data.x|y}}</b>{{else}}{{event.body}}{{/each}}", "javascript:alert(1)")
	f.Add("<title>{{event.title}}</title><!-- {{user.name}} --><textarea>{{user.name}}", "</title><img onerror=x>")
	const mark = "q7w" // begins and ends each value
	f.Fuzz(func(t *testing.T, source, value string) {
		value = mark + value + "<\"'>" + mark
		for _, format := range []template.Format{template.Text, template.HTML} {
			parsed, err := template.Parse(source, format, names, nil)
			if err != nil {
				var e *template.Error
				if !errors.As(err, &e) || e.Line < 1 {
					t.Errorf("not an error of the template: %v", err)
				}
				continue
			}
			v := template.Values{"event.title": {Text: value}, "user.name": {Text: value}, "students": students(value), "event.body": {Text: "b", HTML: "<p>b</p>"}}
			bound, err := parsed.Bind(lookup(template.Values{"event.title": v["event.title"]}))
			if err != nil {
				continue
			}
			values, err := bound.Fill(lookup(v))
			if err != nil {
				continue
			}
			if format == template.HTML {
				for _, text := range append(values, bound.Pieces...) {
					checkEscaped(t, text, mark)
				}
			}
		}
	})
}

// checkEscaped reports special characters between the marks of a value.
func checkEscaped(t *testing.T, text, mark string) {
	t.Helper()
	for {
		_, rest, ok := strings.Cut(text, mark)
		if !ok {
			return
		}
		inside, after, ok := strings.Cut(rest, mark)
		if !ok {
			return
		}
		if strings.Contains(inside, "&lt;&#34;&#39;&gt;") && strings.ContainsAny(inside, "<>\"'") {
			t.Errorf("%q is not escaped", inside)
		}
		text = after
	}
}
