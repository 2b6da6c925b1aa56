package api

import (
	"net/http"
	"slices"

	"github.com/rs/cors"
)

// preflightAge is how long a browser may remember the answer to a preflight request, in
// seconds. After CORS_ORIGINS has changed, it may take as long until browsers notice.
const preflightAge = 600

// exposedHeaders are those of our answers that a script of another origin may read, beside
// the few that browsers always show.
var exposedHeaders = []string{
	"Idempotency-Replayed", "Location", "Retry-After", "Allow", "Www-Authenticate", requestIDHeader,
	"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
}

// withCORS lets pages of these origins call h. They show an API key or a user token as
// anybody else does: browsers add no cookies or passwords of their own. Without origins,
// browsers refuse all pages, and nothing in the answers differs by origin.
func withCORS(origins []string, h http.Handler) http.Handler {
	if len(origins) == 0 {
		return h
	}
	return cors.New(cors.Options{
		AllowOriginFunc: func(origin string) bool { return slices.Contains(origins, origin) }, // exactly; the library's own list ignores case
		AllowedMethods:  []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders:  []string{"Accept", "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "Last-Event-ID", requestIDHeader},
		ExposedHeaders:  exposedHeaders,
		MaxAge:          preflightAge,
	}).Handler(h)
}
