package deploy

import (
	"regexp"
	"strings"
	"testing"
)

// proxyExamples returns the blocks of the page on reverse proxies, by their language.
func proxyExamples(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```").FindAllStringSubmatch(read(t, "docs/reverse-proxy.md"), -1) {
		found[m[1]] = m[2]
	}
	return found
}

func TestProxyExamples(t *testing.T) {
	t.Parallel()
	examples := proxyExamples(t)
	for _, name := range []string{"nginx", "caddyfile", "haproxy"} {
		text := examples[name]
		for _, m := range regexp.MustCompile(`\b([A-Z]+(?:_[A-Z]+)+)=(\S+)`).FindAllStringSubmatch(text, -1) {
			checkSetting(t, name, m[1])
		}
		for what, pattern := range map[string]string{
			"where the API listens":          `HTTP_ADDR=` + regexp.QuoteMeta(settings()["HTTP_ADDR"].Default),
			"where links lead":               `PUBLIC_URL=https://bell\.school\.example`,
			"whose X-Forwarded-For counts":   `TRUSTED_PROXIES=127\.0\.0\.1`,
			"the API as the only upstream":   `(server|serve1|reverse_proxy) 127\.0\.0\.1:8080`,
			"HSTS":                           `Strict-Transport-Security "max-age=\d{7,}"`,
			"that the metrics are not shown": `/metrics.*404|404.*/metrics|/metrics[^\n]*\n\s*respond @inside 404`,
		} {
			if !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("the example for %s lacks %s", name, what)
			}
		}
	}
	// nginx and HAProxy do not set the header, and cut quiet answers off, unless told.
	for name, patterns := range map[string][]string{
		"nginx":   {`X-Forwarded-For \$proxy_add_x_forwarded_for`, `proxy_read_timeout 120s`, `client_max_body_size 256m`, `proxy_request_buffering off`},
		"haproxy": {`option forwardfor`, `timeout server 120s`, `timeout client 120s`},
	} {
		for _, pattern := range patterns {
			if !regexp.MustCompile(pattern).MatchString(examples[name]) {
				t.Errorf("the example for %s lacks %s", name, pattern)
			}
		}
	}
	if strings.Contains(examples["nginx"], "$request ") || strings.Contains(examples["nginx"], "$request_uri") {
		t.Error("the example for nginx logs queries, which hold tokens")
	}
}
