package render

import (
	"maps"

	"schoolbell/internal/personal"
	"schoolbell/internal/template"
)

// names are the names that people may use in templates.
var names = with(personal.Names(), &template.Names{
	Kinds: map[string]template.Kind{
		"school.name":      template.Line,
		"school.signature": template.Block,
		"event.title":      template.Line,
		"event.body":       template.Block,
		"event.summary":    template.Line,
		"event.location":   template.Line,
		"event.when":       template.Line,
		"event.date":       template.Line,
		"event.time":       template.Line,
		"event.students":   template.Line,
		"link":             template.URL,
		"preferences":      template.URL,
		"unsubscribe":      template.URL,
		"items":            template.List,
	},
	Lists: map[string]template.Names{
		"items": {Kinds: map[string]template.Kind{
			"item.title":    template.Line,
			"item.label":    template.Line,
			"item.when":     template.Line,
			"item.location": template.Line,
			"item.details":  template.Line,
			"item.summary":  template.Line,
			"item.students": template.Line,
			"item.link":     template.URL,
		}},
	},
})

// layoutNames are those that the layout and its parts use beside them.
var layoutNames = with(names, &template.Names{
	Kinds: map[string]template.Kind{
		"school.logo":       template.URL,
		"layout.details":    template.Line,
		"layout.calendar":   template.Line,
		"layout.button":     template.Line,
		"layout.choices":    template.Line,
		"layout.optional":   template.Line,
		"layout.language":   template.Line,
		"layout.dir":        template.Line,
		"layout.preview":    template.Line,
		"layout.initial":    template.Line,
		"layout.label":      template.Line,
		"layout.urgent":     template.Line,
		"layout.attendance": template.Line,
	},
})

// with returns the names of n, and more.
func with(n, more *template.Names) *template.Names {
	maps.Copy(more.Kinds, n.Kinds)
	if more.Lists == nil {
		more.Lists = map[string]template.Names{}
	}
	maps.Copy(more.Lists, n.Lists)
	more.Open = n.Open
	return more
}
