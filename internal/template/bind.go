package template

import (
	"errors"
	htmltemplate "html/template"
	"strings"
)

// Value is what a name stands for.
type Value struct {
	Text    string
	HTML    string   // of a Block in an HTML template: its paragraphs, escaped
	Entries []Values // of a List; Text has its own value
}

// Values are values by name.
type Values map[string]Value

func (v Value) empty() bool { return v.Text == "" && v.HTML == "" && len(v.Entries) == 0 }

// Lookup returns the value of a name. ok is false if it is not known to it.
type Lookup func(name string) (v Value, ok bool)

// ErrTooLong is the error of messages that would be longer than [MaxOutput].
var ErrTooLong = errors.New("the message is too long")

// Bound is a template of which everything is filled in that messages share. It never changes.
type Bound struct {
	// Pieces are the text between the places that differ. There is one more than places.
	Pieces []string

	places []node
	shared Lookup
	format Format
	size   int
}

// Bind fills in the names that shared knows.
func (t *Template) Bind(shared Lookup) (*Bound, error) {
	b := &binder{bound: &Bound{shared: shared, format: t.format}}
	b.nodes(t.nodes, nil)
	b.cut()
	for _, p := range b.bound.Pieces {
		b.bound.size += len(p)
	}
	if b.bound.size > MaxOutput || b.long {
		return nil, ErrTooLong
	}
	return b.bound, nil
}

// binder fills in what is known and keeps what is not.
type binder struct {
	bound *Bound
	piece strings.Builder
	long  bool
}

// cut ends a piece.
func (b *binder) cut() {
	b.bound.Pieces = append(b.bound.Pieces, b.piece.String())
	b.piece.Reset()
}

func (b *binder) nodes(nodes []node, entry Values) {
	for _, n := range nodes {
		if b.piece.Len() > MaxOutput || b.long {
			b.long = true
			return
		}
		if n.kind == literal {
			b.piece.WriteString(n.text)
			continue
		}
		if n.kind == included {
			b.nodes(n.then, entry)
			continue
		}
		v, known := find(n, entry, b.bound.shared)
		if !known {
			b.cut()
			b.bound.places = append(b.bound.places, n)
			continue
		}
		each(n, v, entry, b.bound.format, &b.piece, b.nodes)
	}
}

// each writes the value of a node, or gives do the nodes to go on with.
func each(n node, v Value, entry Values, format Format, out *strings.Builder, do func([]node, Values)) {
	switch {
	case n.kind == value:
		write(out, n, v, format)
	case v.empty():
		do(n.otherwise, entry)
	case n.kind == branch:
		do(n.then, entry)
	default:
		for _, e := range v.Entries[:min(len(v.Entries), MaxEntries)] {
			do(n.then, e)
		}
	}
}

// find returns the value of a node's name. An entry of the {{#each}} around it that lacks one of its names has an empty
// value for it: it never gets that of the recipient.
func find(n node, entry Values, shared Lookup) (Value, bool) {
	if n.ofEntry {
		return entry[n.name], true
	}
	return shared(n.name)
}

// write appends a value, or its fallback, escaped.
func write(b *strings.Builder, n node, v Value, format Format) {
	text := v.Text
	switch {
	case v.empty():
		text = n.fallback
	case format == HTML && n.is == Block:
		b.WriteString(v.HTML)
		return
	}
	if format == HTML {
		text = htmltemplate.HTMLEscapeString(text)
	}
	b.WriteString(text)
}

// Fill returns the texts for the places, escaped. personal returns the values of the names that differ between recipients;
// a name that it does not know is empty.
func (b *Bound) Fill(personal Lookup) ([]string, error) {
	if len(b.places) == 0 {
		return nil, nil
	}
	filled, size := make([]string, len(b.places)), b.size
	f := filler{bound: b, personal: personal}
	for i, n := range b.places {
		if n.kind == value && n.is != Block {
			filled[i] = f.line(n)
		} else {
			f.out.Reset()
			f.nodes(b.places[i:i+1], nil)
			filled[i] = f.out.String()
		}
		if size += len(filled[i]); size > MaxOutput || f.long {
			return nil, ErrTooLong
		}
	}
	return filled, nil
}

// filler fills the places of one message.
type filler struct {
	bound    *Bound
	personal Lookup
	out      strings.Builder
	long     bool
}

func (f *filler) lookup(name string) (Value, bool) {
	if v, ok := f.bound.shared(name); ok {
		return v, true
	}
	v, _ := f.personal(name)
	return v, true
}

// line returns the value of a place that is one line, mostly without a copy of it.
func (f *filler) line(n node) string {
	v, _ := f.personal(n.name)
	text := v.Text
	if text == "" {
		text = n.fallback
	}
	if f.bound.format == HTML {
		return htmltemplate.HTMLEscapeString(text)
	}
	return text
}

func (f *filler) nodes(nodes []node, entry Values) {
	for _, n := range nodes {
		if f.out.Len() > MaxOutput || f.long {
			f.long = true
			return
		}
		switch n.kind {
		case literal:
			f.out.WriteString(n.text)
		case included:
			f.nodes(n.then, entry)
		default:
			v, _ := find(n, entry, f.lookup)
			each(n, v, entry, f.bound.format, &f.out, f.nodes)
		}
	}
}
