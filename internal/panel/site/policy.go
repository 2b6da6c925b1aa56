package site

import "net/http"

// policy allows pages their own files, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// FramePolicy is for pages that show a document of this panel in a frame.
const FramePolicy = policy + "; frame-src 'self'"

// MailPolicy is for the HTML of an email. It has styles of its own. Scripts, forms and other hosts, which could note who looks at
// it, are refused. Images of the page's own host stay away too, so that an email cannot make the browser ask the panel for anything.
const MailPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"

// secure sets what browsers need to know of every answer of the panel.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
}
