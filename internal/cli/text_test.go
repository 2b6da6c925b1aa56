package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestInvalidText(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) }))
	t.Cleanup(srv.Close)
	env := bare("SCHOOLBELL_URL="+srv.URL, "SCHOOLBELL_API_KEY=a-key-for-these-tests", "DATA_DIR="+t.TempDir())
	for _, c := range []struct {
		in, want string
		args     []string
	}{
		{"", "argument 4", []string{"event", "create", "--title", "caf\xe9", "--body", "b", "--role", "parent"}},
		{"", "argument 3", []string{"event", "create", "--data={\"a\":\"\xff\"}", "--title", "x", "--body", "b", "--role", "parent"}},
		{"", "argument 4", []string{"key", "create", "--name", "caf\xe9", "--scope", "read"}},
		{"caf\xe9", "valid UTF-8", []string{"event", "create", "--title", "x", "--body", "-", "--role", "parent"}},
		{"{\"title\":\"caf\xe9\"}", "valid UTF-8", []string{"event", "create", "-f", "-"}},
		{`{"title":"\ud83c"}`, "half a character", []string{"event", "create", "-f", "-"}},
		{`{"title":"x","starts_at":"0001-01-01T00:00:00Z"}`, "starts_at", []string{"event", "create", "-f", "-"}},
		{`{"title":"x","expires_at":"9999-12-31T23:59:59-23:59"}`, "expires_at", []string{"event", "create", "-f", "-"}},
		{"", "--starts-at", []string{"event", "create", "--title", "x", "--body", "b", "--role", "parent", "--starts-at", "0001-01-01T00:00:00Z"}},
		{"", "--send-at", []string{"event", "create", "--title", "x", "--body", "b", "--role", "parent", "--send-at", "9999-12-31T23:59:59-23:59"}},
	} {
		r := inProcessWith(t, c.in, env, c.args...)
		r.exits(2)
		if said := r.err.String(); !strings.Contains(said, c.want) {
			t.Errorf("%q said %q, want it to name %s", c.args, said, c.want)
		}
	}
}
