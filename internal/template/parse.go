package template

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits on templates. They bound the time and the memory that a message takes.
const (
	MaxSource  = 64 << 10  // bytes of a template
	MaxOutput  = 256 << 10 // bytes that a template may make
	MaxEntries = 100       // of a list that {{#each}} goes over; more are cut off
	maxNodes   = 2000
	maxDepth   = 8
	maxName    = 60
	maxKey     = 40
)

// Format is the kind of text that a template makes.
type Format int

const (
	Text Format = iota
	HTML
)

// Error is what is wrong with a template, and where.
type Error struct {
	Line    int // from 1
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Parts are the parts that {{> name}} includes, by name.
type Parts map[string]*Template

// Template is a parsed template. It never changes.
type Template struct {
	format Format
	nodes  []node
	count  int  // of nodes, those of its parts included
	loops  bool // it has {{#each}}
}

type nodeKind int

const (
	literal  nodeKind = iota
	value             // of name
	branch            // then if name has a value, else otherwise
	loop              // then for each entry of name
	included          // then: the nodes of a part
)

type node struct {
	kind      nodeKind
	text      string // literal
	name      string
	is        Kind   // of name
	ofEntry   bool   // name is that of an entry of the {{#each}} around it
	fallback  string // value
	then      []node
	otherwise []node
	line      int
}

// Parse parses a template. The error is an [*Error]. It checks that each name is known, and for HTML that no value stands
// where it could be read as markup, an address or a program.
func Parse(source string, format Format, names *Names, parts Parts) (*Template, error) {
	if len(source) > MaxSource {
		return nil, &Error{Line: 1, Message: fmt.Sprintf("the template is longer than %d KiB", MaxSource>>10)}
	}
	if !utf8.ValidString(source) {
		return nil, &Error{Line: 1, Message: "the template is not valid UTF-8"}
	}
	p := parser{source: source, line: 1, tagLine: 1, names: names, parts: parts, format: format}
	nodes, end, err := p.nodes("", 0)
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, p.fault("{{%s}} has no beginning", end)
	}
	t := &Template{format: format, nodes: nodes, count: p.count, loops: p.loops}
	if format == HTML {
		if err := t.checkPlaces(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// parser reads a template from its beginning to its end.
type parser struct {
	source  string
	at      int // offset of what is not read yet
	line    int // of what is not read yet
	tagLine int // of the tag read last
	names   *Names
	parts   Parts
	format  Format
	count   int
	loops   bool
}

func (p *parser) fault(format string, args ...any) *Error {
	return &Error{Line: p.tagLine, Message: fmt.Sprintf(format, args...)}
}

// nodes reads up to a tag that ends or divides a block, which it returns: "else", "/if" or "/each"; or to the end of the
// source. list is the list of the {{#each}} around it.
func (p *parser) nodes(list string, depth int) (nodes []node, end string, err error) {
	if depth > maxDepth {
		return nil, "", p.fault("blocks are nested deeper than %d", maxDepth)
	}
	for p.at < len(p.source) {
		if n := p.literal(); n.text != "" {
			nodes = append(nodes, n)
			continue
		}
		if p.count++; p.count > maxNodes {
			return nil, "", p.fault("the template has more than %d tags", maxNodes)
		}
		tag, err := p.tag()
		if err != nil {
			return nil, "", err
		}
		switch {
		case tag == "else" || strings.HasPrefix(tag, "/"):
			return nodes, tag, nil
		case strings.HasPrefix(tag, "!"):
			continue
		case strings.HasPrefix(tag, ">"):
			n, err := p.include(strings.TrimSpace(tag[1:]), list)
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
		case strings.HasPrefix(tag, "#"):
			n, err := p.block(tag[1:], list, depth)
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
		default:
			n, err := p.value(tag, list)
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
		}
	}
	return nodes, "", nil
}

// literal reads text up to the next tag. Spaces before a tag that has its line for itself do not count.
func (p *parser) literal() node {
	n := node{kind: literal, line: p.line}
	rest := p.source[p.at:]
	if strings.HasPrefix(rest, "{{{{") {
		n.text, p.at = "{{", p.at+4
		return n
	}
	end := strings.Index(rest, "{{")
	if end < 0 {
		end = len(rest)
	}
	n.text, p.at = rest[:end], p.at+end
	p.line += strings.Count(n.text, "\n")
	if _, _, alone := p.alone(); alone {
		n.text = strings.TrimRight(n.text, " \t")
	}
	return n
}

// tag reads {{…}} and returns what stands in it.
func (p *parser) tag() (string, error) {
	p.tagLine = p.line
	rest := p.source[p.at:]
	end := strings.Index(rest, "}}")
	if end < 0 {
		return "", p.fault("{{ has no }}")
	}
	inside := rest[2:end]
	if strings.Contains(inside, "{{") || strings.Contains(inside, "\n") && !strings.HasPrefix(inside, "!") {
		return "", p.fault("{{ has no }}")
	}
	if next, lines, alone := p.alone(); alone {
		p.at, p.line = next, p.line+lines
	} else {
		p.at, p.line = p.at+end+2, p.line+strings.Count(inside, "\n")
	}
	return strings.TrimSpace(inside), nil
}

// alone reports whether the tag at p.at stands for no text and has its line for itself. Such a line leaves no
// empty line in the message. next is the offset of the next line, lines how many lines the tag has.
func (p *parser) alone() (next, lines int, alone bool) {
	rest := p.source[p.at:]
	end := strings.Index(rest, "}}")
	if !strings.HasPrefix(rest, "{{") || end < 0 {
		return 0, 0, false
	}
	inside := strings.TrimSpace(rest[2:end])
	if inside == "" || !strings.ContainsRune("#/>!", rune(inside[0])) && inside != "else" {
		return 0, 0, false
	}
	before := strings.TrimRight(p.source[:p.at], " \t")
	after := strings.TrimLeft(rest[end+2:], " \t\r")
	if before != "" && before[len(before)-1] != '\n' || after != "" && after[0] != '\n' {
		return 0, 0, false
	}
	next = min(len(p.source)-len(after)+1, len(p.source))
	return next, strings.Count(p.source[p.at:next], "\n"), true
}

func (p *parser) value(tag, list string) (node, error) {
	name, fallback, _ := strings.Cut(tag, "|")
	n := node{kind: value, name: strings.TrimSpace(name), fallback: strings.TrimSpace(fallback), line: p.tagLine}
	return n, p.resolve(&n, list)
}

// resolve finds out what the name of a node stands for.
func (p *parser) resolve(n *node, list string) error {
	var ok bool
	n.is, n.ofEntry, ok = p.names.kind(n.name, list)
	switch {
	case ok:
		return nil
	case n.name == "":
		return p.fault("{{}} has no name")
	}
	if like := p.names.nearest(n.name, list); like != "" {
		return p.fault("there is no %q; did you mean %q?", n.name, like)
	}
	return p.fault("there is no %q", n.name)
}

func (p *parser) include(name, list string) (node, error) {
	part, ok := p.parts[name]
	if !ok {
		known := make([]string, 0, len(p.parts))
		for k := range p.parts {
			known = append(known, k)
		}
		if like := Nearest(name, known); like != "" {
			return node{}, p.fault("there is no part %q; did you mean %q?", name, like)
		}
		return node{}, p.fault("there is no part %q", name)
	}
	if p.count += part.count; p.count > maxNodes {
		return node{}, p.fault("the template has more than %d tags", maxNodes)
	}
	if part.loops && list != "" {
		return node{}, p.fault("the part %q has an {{#each}}, so it cannot stand within another", name)
	}
	p.loops = p.loops || part.loops
	return node{kind: included, name: name, then: part.nodes, line: p.tagLine}, nil
}

// block reads {{#if name}} or {{#each name}} to its end.
func (p *parser) block(tag, list string, depth int) (node, error) {
	word, name, _ := strings.Cut(tag, " ")
	name = strings.TrimSpace(name)
	n := node{name: name, line: p.tagLine}
	inner := list
	switch word {
	case "if":
		n.kind = branch
	case "each":
		n.kind, inner = loop, name
	default:
		return node{}, p.fault("there is no {{#%s}}; there are {{#if}} and {{#each}}", word)
	}
	if err := p.resolve(&n, list); err != nil {
		return node{}, err
	}
	if n.kind == loop && (n.is != List || list != "") {
		return node{}, p.fault("{{#each %s}} is not possible: it takes a list, and not within another {{#each}}", name)
	}
	p.loops = p.loops || n.kind == loop
	var end string
	var err error
	if n.then, end, err = p.nodes(inner, depth+1); err != nil {
		return node{}, err
	}
	if end == "else" {
		if n.otherwise, end, err = p.nodes(list, depth+1); err != nil {
			return node{}, err
		}
	}
	if end != "/"+word {
		return node{}, &Error{Line: n.line, Message: fmt.Sprintf("{{#%s %s}} has no {{/%s}}", word, name, word)}
	}
	return n, nil
}
