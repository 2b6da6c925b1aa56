package row

import "strings"

var likeEscapes = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

// Containing returns the pattern of LIKE for what contains a text. Its escape character is the backslash, PostgreSQL's default.
func Containing(text string) string { return "%" + likeEscapes.Replace(text) + "%" }
