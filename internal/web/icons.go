package web

import (
	_ "embed"
	"fmt"
	"html/template"
	"regexp"
)

//go:embed icons.svg
var iconSheet string

var symbolPattern = regexp.MustCompile(`<symbol id="([a-z-]+)" viewBox="([0-9 ]+)">(.*)</symbol>`)

// icons are the icons by id: i-* are strokes in the colour of the text, s-* marks of a status. The
// words next to an icon say the same, so screen readers skip it.
var icons = func() map[string]template.HTML {
	all := map[string]template.HTML{}
	for _, s := range symbolPattern.FindAllStringSubmatch(iconSheet, -1) {
		class := ""
		if s[1][0] == 'i' {
			class = ` class="i"`
		}
		all[s[1]] = template.HTML(`<svg` + class + ` viewBox="` + s[2] + `" aria-hidden="true">` + s[3] + `</svg>`) // our own file
	}
	return all
}()

// Icon returns an icon as inline SVG, or an error if there is none of that id.
func Icon(id string) (template.HTML, error) {
	svg, ok := icons[id]
	if !ok {
		return "", fmt.Errorf("there is no icon %s", id)
	}
	return svg, nil
}
