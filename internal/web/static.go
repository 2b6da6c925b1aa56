package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed static
var staticFiles embed.FS

// bundle is how the files of the folder static are served: as they are, or several as one.
var bundle = []struct {
	name, contentType string
	parts             []string
}{
	{"schoolbell.css", "text/css; charset=utf-8", []string{"tokens.css", "schoolbell.css"}},
	{"bell.svg", "image/svg+xml", []string{"bell.svg"}},
	{"panel.js", "text/javascript; charset=utf-8", []string{"vendor/htmx.min.js", "vendor/htmx-ext-sse.min.js", "panel.js", "template.js"}},
	{"chart.css", "text/css; charset=utf-8", []string{"vendor/uplot.min.css", "chart.css"}},
	{"chart.js", "text/javascript; charset=utf-8", []string{"vendor/uplot.iife.min.js", "chart.js"}},
}

// asset is a static file. Its name changes with its content, so browsers may keep it.
type asset struct {
	name, contentType string
	body, compressed  []byte
}

// assets returns the static files by their unhashed names.
var assets = sync.OnceValue(func() map[string]asset {
	all := make(map[string]asset, len(bundle))
	for _, b := range bundle {
		var body bytes.Buffer
		for _, part := range b.parts {
			text, err := staticFiles.ReadFile("static/" + part)
			if err != nil {
				panic(err) // the file is part of the program
			}
			body.Write(text)
			body.WriteByte('\n') // the last line of a script may have none
		}
		sum := sha256.Sum256(body.Bytes())
		extension := path.Ext(b.name)
		name := strings.TrimSuffix(b.name, extension) + "." + hex.EncodeToString(sum[:6]) + extension
		var compressed bytes.Buffer
		z := gzip.NewWriter(&compressed)
		_, _ = z.Write(body.Bytes()) // a buffer takes everything
		_ = z.Close()
		all[b.name] = asset{name: name, contentType: b.contentType, body: body.Bytes(), compressed: compressed.Bytes()}
	}
	return all
})

// Static serves the static files. It is for the pattern GET /static/{name}.
func Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, a := range assets() {
			if a.name == r.PathValue("name") {
				a.serve(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h, body := w.Header(), a.body
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = a.compressed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone
	}
}

// acceptsGzip reads an Accept-Encoding. What refuses gzip by q=0 gets the file as it is.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if strings.EqualFold(name, "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(quality, "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}
