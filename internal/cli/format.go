package cli

import (
	"path/filepath"
	"strings"
)

// fileFormat is a format of files that a command reads.
type fileFormat struct{ name, mediaType string }

// mediaTypeOf returns the media type of a file in one of two formats: that of the flag --format, or else the one
// that the file's name tells.
func mediaTypeOf(file, format string, one, other fileFormat) (string, error) {
	name := strings.ToLower(format)
	if name == "" {
		name = strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
	}
	if name == "jsonl" {
		name = "ndjson"
	}
	for _, f := range []fileFormat{one, other} {
		if name == f.name {
			return f.mediaType, nil
		}
	}
	if format != "" {
		return "", usage("--format: %q is not %s or %s", format, one.name, other.name)
	}
	return "", usage("%s: the file name does not tell the format; add --format %s or --format %s", file, one.name, other.name)
}
