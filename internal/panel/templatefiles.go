package panel

import (
	"embed"
	"html/template"

	"schoolbell/internal/panel/site"
)

//go:embed templates/*.html
var templateFiles embed.FS

var parse = site.Parser(templateFiles, template.FuncMap{
	"pick": newPickButton,
})
