package render

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/internal/locale"
	"schoolbell/internal/template"
)

// compiled is a template of one channel, ready to be filled in. A field that the channel does not have is nil.
type compiled struct {
	subject, html, text *template.Template
}

// brand is what the layout shows of a school that is no text.
type brand struct {
	button, onButton         string // colours, as #rrggbb
	buttonDark, onButtonDark string // in dark mode
}

func brandOf(s schoolbell.SchoolSettings) brand {
	if s.Colours.Primary == "" {
		return brand{button: "#24509c", onButton: "#ffffff", buttonDark: "#a3c0f6", onButtonDark: "#10192a"}
	}
	on := readableOn(s.Colours.Primary)
	return brand{button: s.Colours.Primary, onButton: on, buttonDark: s.Colours.Primary, onButtonDark: on}
}

// readableOn returns the colour of text on a ground, white or nearly black, whichever has the higher contrast
// (WCAG 2.2, relative luminance; the two are equal at 0.179).
func readableOn(ground string) string {
	rgb, err := strconv.ParseUint(strings.TrimPrefix(ground, "#"), 16, 32)
	if err != nil {
		return "#ffffff"
	}
	linear := func(c uint64) float64 {
		v := float64(c&0xff) / 255
		return v * (v*(v*0.305306011+0.682171111) + 0.012522878) // close to the curve of sRGB
	}
	if 0.2126*linear(rgb>>16)+0.7152*linear(rgb>>8)+0.0722*linear(rgb) > 0.179 {
		return "#10192a"
	}
	return "#ffffff"
}

const font = "font-family:-apple-system,'Segoe UI',Roboto,Tahoma,Arial,sans-serif;"

// style writes the font, the colours and the side where lines begin into a text in place of [[key]].
func (b brand) style(text string, language *locale.Language) string {
	start := "left"
	if language.RTL {
		start = "right"
	}
	return strings.NewReplacer("[[font]]", font, "[[start]]", start,
		"[[button]]", b.button, "[[on_button]]", b.onButton, "[[button_dark]]", b.buttonDark, "[[on_button_dark]]", b.onButtonDark).Replace(text)
}

const (
	paragraphStyle = `class="tx" style="margin:0 0 16px;` + font + `font-size:16px;line-height:25px;color:#1d1c19;overflow-wrap:anywhere;"`
	linkStyle      = `class="lk" style="color:#24509c;"`
)

// plainTags give the tags without attributes that people write the looks that mail programs need on each tag.
var plainTags = strings.NewReplacer(
	"<p>", "<p "+paragraphStyle+">",
	"<li>", "<li "+paragraphStyle+">",
	"<h1>", `<h1 class="tx" style="margin:0 0 16px;`+font+`font-size:24px;line-height:31px;font-weight:600;color:#1d1c19;">`,
	"<h2>", `<h2 class="tx" style="margin:0 0 12px;`+font+`font-size:19px;line-height:26px;font-weight:600;color:#1d1c19;">`,
	"<a href=", "<a "+linkStyle+" href=",
)

// compiler makes templates of one language for one school.
type compiler struct {
	language  *locale.Language
	brand     brand
	htmlParts template.Parts
	textParts template.Parts
	layout    string // of HTML
	footer    string // layout of text
}

// newCompiler fails only if the layout is wrong.
func newCompiler(language *locale.Language, b brand) (*compiler, error) {
	c := &compiler{language: language, brand: b, htmlParts: template.Parts{}, textParts: template.Parts{}}
	w := wordsOf[language.Tag]
	own := func(name string) string { return c.brand.style(w.say(file("templates/"+name)), language) }
	c.layout, c.footer = own("layout.html"), own("layout.txt")
	var errs []error
	for _, name := range []string{"heading", "students", "details", "items", "button"} {
		part, err := template.Parse(own(name+".html"), template.HTML, layoutNames, nil)
		c.htmlParts[name], errs = part, append(errs, err)
	}
	for _, name := range []string{"students", "details", "items", "signature", "link"} {
		part, err := template.Parse(own(name+".txt"), template.Text, layoutNames, nil)
		c.textParts[name], errs = part, append(errs, err)
	}
	return c, errors.Join(errs...)
}

// compile checks and compiles what people wrote. What is wrong with it is reported at once, by the names of the fields.
func (c *compiler) compile(channel schoolbell.Channel, t schoolbell.TemplateText) (*compiled, error) {
	var f schoolbell.Faults
	for _, field := range fields(t) {
		if field.text != "" && !field.of(channel) {
			f.Add(field.name, "is not part of messages by %s", channel)
		}
		if field.text == "" && field.of(channel) {
			f.Add(field.name, "is missing")
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	var out compiled
	if t.Subject != "" {
		out.subject = parseField(&f, "subject", t.Subject, template.Text, names, nil)
		if strings.ContainsAny(t.Subject, "\r\n") {
			f.Add("subject", "must be one line")
		}
	}
	switch channel {
	case schoolbell.ChannelSMS, schoolbell.ChannelPush:
		out.text = parseField(&f, "text", t.Text, template.Text, names, nil)
	default:
		if t.HTML != "" {
			out.html = c.email(&f, t.HTML)
		}
		out.text = c.inLayout(&f, "text", t.Text, template.Text, c.footer, c.textParts)
	}
	return &out, f.Err()
}

type field struct {
	name, text string
	of         func(schoolbell.Channel) bool
}

// fields are the fields of a template with the channels that have them.
func fields(t schoolbell.TemplateText) []field {
	email := func(c schoolbell.Channel) bool { return c == schoolbell.ChannelEmail }
	return []field{
		{"subject", t.Subject, func(c schoolbell.Channel) bool { return c != schoolbell.ChannelSMS }},
		{"html", t.HTML, email},
		{"text", t.Text, func(schoolbell.Channel) bool { return true }},
	}
}

func (c *compiler) email(f *schoolbell.Faults, source string) *template.Template {
	if err := checkMarkup(source); err != nil {
		f.Add("html", "%v", err)
		return nil
	}
	return c.inLayout(f, "html", plainTags.Replace(source), template.HTML, c.layout, c.htmlParts)
}

// inLayout parses a template of people with the parts that they may use, and puts it into the layout.
func (c *compiler) inLayout(f *schoolbell.Faults, name, source string, format template.Format, layout string, parts template.Parts) *template.Template {
	content := parseField(f, name, strings.TrimRight(source, "\n")+"\n", format, names, parts)
	if content == nil {
		return nil
	}
	return parseField(f, name, layout, format, layoutNames, template.Parts{"content": content})
}

func parseField(f *schoolbell.Faults, name, source string, format template.Format, known *template.Names, parts template.Parts) *template.Template {
	t, err := template.Parse(source, format, known, parts)
	if err != nil {
		f.Add(name, "%v", err)
		return nil
	}
	return t
}

// Mail programs remove these or warn of them; some could deceive a reader.
var forbiddenTags = regexp.MustCompile(`(?i)<\s*/?\s*(script|style|iframe|frame|frameset|object|embed|applet|form|input|button|textarea|select|meta|link|base|html|head|body|svg|math|video|audio)\b`)

// checkMarkup reports tags that an email cannot have.
func checkMarkup(source string) error {
	at := forbiddenTags.FindStringSubmatchIndex(source)
	if at == nil {
		return nil
	}
	return &template.Error{Line: 1 + strings.Count(source[:at[0]], "\n"), Message: "an email cannot have <" + strings.ToLower(source[at[2]:at[3]]) + ">"}
}
