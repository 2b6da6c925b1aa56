package config

import (
	"net/url"
	"strings"

	"schoolbell"
)

// checkOrigins refuses what no browser sends as an origin, because it would never match, and
// the asterisk.
func checkOrigins(f *schoolbell.Faults, origins []string) {
	for _, o := range origins {
		switch {
		case o == "*":
			f.Add("CORS_ORIGINS", "must name each site: with *, every website could call this server from its visitors' browsers")
		case !isOrigin(o):
			f.Add("CORS_ORIGINS", "%q must be an origin as browsers send it, such as https://app.school.example: "+
				"in lower case, without a path, a wildcard or the default port", o)
		}
	}
}

// isOrigin reports whether text is the origin of an http or https page, in the form in which
// browsers send it.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Contains(u.Host, "*") {
		return false
	}
	if port := u.Port(); strings.HasSuffix(u.Host, ":") || port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		return false
	}
	ascii := !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	return ascii && text == u.Scheme+"://"+strings.ToLower(u.Host)
}
