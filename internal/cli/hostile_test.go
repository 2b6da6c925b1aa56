package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile would clear a terminal, change its title, hide text and reverse it.
const hostile = "x\x1b[2J\x1b]0;owned\x07\u009b8m\u202egnp\u2066\u2028\x7f"

// hostileServer answers every call with a status and an object that has hostile
// text wherever there is text.
func hostileServer(t *testing.T, status int) []string {
	t.Helper()
	thing := map[string]any{"id": hostile, "status": hostile, "title": hostile, "category": hostile, "location": hostile,
		"audience": map[string]any{"roles": []string{hostile}, "groups": []string{hostile}}, "channels": []string{hostile},
		"progress": map[string]any{"total": 1, "channels": map[string]any{"email": map[string]int{"total": 1}, hostile: map[string]int{}}},
		"name":     hostile, "email": hostile, "phone": hostile, "roles": []string{hostile}, "groups": []string{hostile}, "locale": hostile, "timezone": hostile,
		"guardian_of": []string{hostile}, "user_id": hostile, "channel": hostile, "reason": hostile,
		"state": hostile, "data": map[string]string{hostile: hostile}, "failed_reason": hostile, "stacktrace": []string{hostile}, "parent": hostile,
		"worker": hostile, "logs": []string{hostile}, "counts": map[string]int{hostile: 1},
		"code": hostile, "detail": hostile, "imported": 1, "rejected": 1}
	things := []any{thing}
	answer := map[string]any{"events": things, "users": things, "deliveries": things, "jobs": things, "queues": things, "next": hostile}
	for name, value := range thing {
		answer[name] = value
	}
	faults := map[string]any{"code": hostile, "detail": hostile, "errors": []any{map[string]any{"line": 1, "field": hostile, "message": hostile}}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := answer
		if status >= 400 || strings.HasSuffix(r.URL.Path, ":import") {
			out = faults
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/stream") && status < 400 {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "event: progress\ndata: %s\n\nevent: done\ndata: {}\n\n", text)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write(text)
	}))
	t.Cleanup(srv.Close)
	return bare("SCHOOLBELL_URL="+srv.URL, "SCHOOLBELL_API_KEY=a-key-for-these-tests")
}

func TestHostileServer(t *testing.T) {
	t.Parallel()
	good, bad := hostileServer(t, http.StatusOK), hostileServer(t, http.StatusConflict)
	for _, command := range []string{"event list", "event show x", "event watch x", "event deliveries x", "event cancel x", "event retry x",
		"event create --title x --body x --role parent", "user show x", "user import - --format csv",
		"queue list", "queue counts x", "queue jobs x", "queue job x y", "queue retry x y z", "queue promote x y z", "queue remove x y z", "queue pause x", "queue clean x"} {
		for _, env := range [][]string{good, bad} {
			for _, flag := range []string{"", " --json"} {
				args := strings.Fields(command + flag)
				r := inProcess(t, env, args...)
				<-r.exited
				out := r.out.String() + r.err.String()
				if out == "" {
					t.Errorf("%s printed nothing", args)
				}
				if i := strings.IndexFunc(out, steers); i >= 0 || !utf8.ValidString(out) {
					t.Errorf("%s printed %+q", args, out[max(0, i):min(len(out), max(0, i)+40)])
				}
				if flag != "" && !isJSON(r.out.String()) {
					t.Errorf("%s printed %q, which is not JSON", args, r.out.String())
				}
			}
		}
	}
}

// isJSON reports whether every line of text is JSON. Refusals print none.
func isJSON(text string) bool {
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) {
			return false
		}
	}
	return true
}

// steers reports characters that a terminal acts on, but for the end of a line.
func steers(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
