package template

import (
	"errors"
	htmltemplate "html/template"
	"io"
	"strings"
	"text/template/parse"
)

// checkPlaces reports values that stand where escaping cannot make them harmless, such as in a script or in an attribute
// without quotes. The contexts are those that html/template finds: t is written as one of its templates, which it escapes.
func (t *Template) checkPlaces() error {
	var source strings.Builder
	writeSource(&source, t.nodes, false)
	checked, err := htmltemplate.New("message").Parse(source.String())
	if err != nil {
		return placeError(err)
	}
	if err := checked.Execute(io.Discard, nil); err != nil {
		return placeError(err)
	}
	c := placeCheck{values: values(nil, t.nodes)}
	c.list(checked.Tree.Root)
	return c.err
}

// placeError turns an error of html/template into one of ours.
func placeError(err error) error {
	var e *htmltemplate.Error
	if errors.As(err, &e) {
		return &Error{Line: max(1, e.Line), Message: "this is not well-formed HTML: " + strings.ReplaceAll(e.Description, "{{", "{{#")}
	}
	return &Error{Line: 1, Message: "this is not well-formed HTML"}
}

// writeSource writes nodes in the language of html/template, on the lines that they have. Parts are on one line.
func writeSource(b *strings.Builder, nodes []node, part bool) {
	for _, n := range nodes {
		switch n.kind {
		case literal:
			text := strings.ReplaceAll(n.text, "{{", `{{"{{"}}`)
			if part {
				text = strings.ReplaceAll(text, "\n", " ")
			}
			b.WriteString(text)
		case value:
			b.WriteString("{{.V}}")
		case branch, loop:
			b.WriteString("{{if .V}}")
			writeSource(b, n.then, part)
			b.WriteString("{{else}}")
			writeSource(b, n.otherwise, part)
			b.WriteString("{{end}}")
		case included:
			writeSource(b, n.then, true)
		}
	}
}

// values appends the values of nodes in the order in which writeSource writes them.
func values(all []node, nodes []node) []node {
	for _, n := range nodes {
		if n.kind == value {
			all = append(all, n)
		}
		all = values(values(all, n.then), n.otherwise)
	}
	return all
}

// placeCheck walks a tree that html/template has escaped.
type placeCheck struct {
	values []node // still to come
	err    error  // the first
}

func (c *placeCheck) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			if len(n.Pipe.Cmds) > 0 && n.Pipe.Cmds[0].String() == ".V" {
				c.value(n.Pipe)
			}
		case *parse.IfNode:
			c.list(n.List)
			c.list(n.ElseList)
		}
	}
}

// safePlaces are the escapers of the places in which a value may stand: they make character references of what is special.
var safePlaces = map[string]Kind{
	"_html_template_htmlescaper":   Block, // between elements
	"_html_template_rcdataescaper": Line,  // in a title
	"_html_template_attrescaper":   Line,  // in an attribute with quotes
}

func (c *placeCheck) value(pipe *parse.PipeNode) {
	n := c.values[0]
	c.values = c.values[1:]
	if c.err != nil {
		return
	}
	for _, cmd := range pipe.Cmds[1:] {
		escaper := cmd.String()
		place, safe := safePlaces[escaper]
		address := escaper == "_html_template_urlfilter" || escaper == "_html_template_urlnormalizer"
		switch {
		case n.is == URL && (safe || address):
		case safe && (n.is != Block || place == Block):
		case n.is == Block && safe:
			c.err = &Error{Line: n.line, Message: "{{" + n.name + "}} has paragraphs and can only stand between elements"}
			return
		default:
			c.err = &Error{Line: n.line, Message: "{{" + n.name + "}} cannot stand here: values may only stand between elements and in quoted attributes that are no addresses, styles or programs"}
			return
		}
	}
}
