package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"schoolbell/internal/testenv"
	"schoolbell/test/system"
)

// hostile would clear a terminal, change its title, hide text and reverse it.
const hostile = "x\x1b[2J\x1b]0;owned\x07\x9b31m\u009b8m\u202egnp\u2066\u2028\x7f"

func TestTerminalEscapes(t *testing.T) {
	t.Parallel()
	t.Run("command output cannot control the terminal", testEscapesInOutput)
	t.Run("log lines cannot control the terminal", testEscapesInLog)
}

func testEscapesInOutput(t *testing.T) {
	t.Parallel()
	mail := system.NewMail(t)
	s := system.New(t, system.Parts{Redis: testenv.Redis(t), SMTP: mail.Addr()})
	serve := s.Serve()
	s.AwaitReady()

	rdb := redis.NewClient(&redis.Options{Addr: s.Redis})
	t.Cleanup(func() { _ = rdb.Close() })
	const id = "bad\x1b[2Jid\u202e"
	ctx, job := t.Context(), "bull:event-notifications:"+id
	must(t, rdb.HSet(ctx, job, "name", hostile, "data", `{"a":"`+"\u202e\u009b\x9b"+`"}`, "opts", "{}", "timestamp", "1700000000000",
		"failedReason", hostile, "stacktrace", `["`+"\u202e"+`"]`, "pb", hostile, "parentKey", hostile).Err())
	must(t, rdb.RPush(ctx, job+":logs", hostile).Err())
	must(t, rdb.ZAdd(ctx, "bull:event-notifications:failed", redis.Z{Score: 1, Member: id}).Err())

	for _, args := range [][]string{
		{"queue", "jobs", "event-notifications"},
		{"queue", "jobs", "event-notifications", "--json"},
		{"queue", "job", "event-notifications", id},
		{"queue", "job", "event-notifications", id, "--json"},
		{"queue", "job", "event-notifications", hostile},
		{"event", "show", hostile},
		{"user", "show", hostile},
		{"event", "list", hostile},
		{"queue", "counts", hostile},
	} {
		r := s.Run(nil, args...)
		if r.Out+r.Err == "" {
			t.Errorf("%q printed nothing", args)
		}
		for name, text := range map[string]string{"output": r.Out, "errors": r.Err} {
			noSteering(t, fmt.Sprintf("the %s of %q", name, args), text)
		}
	}
	if out := s.Does("queue", "jobs", "event-notifications"); !strings.Contains(out, `bad\u001b[2Jid\u202e`) {
		t.Errorf("the job is listed as %q", out)
	}
	serve.Stop()
}

// A log on a terminal quotes requests of anybody who can reach the port.
func testEscapesInLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			mail := system.NewMail(t)
			s := system.New(t, system.Parts{SMTP: mail.Addr(), Settings: []string{"LOG_LEVEL=debug", "LOG_FORMAT=" + format}})
			serve := s.Serve()
			resp, err := http.Get(s.URL + "/begin" + url.PathEscape("x\x1b[2J\x1b]0;owned\x07\u009b8m\u202egnp\u2066\u2028\x7f") + "end")
			must(t, err)
			must(t, resp.Body.Close())
			serve.Stop()
			out := serve.Output()
			if !strings.Contains(out, "/beginx") {
				t.Error("the log has no line about the request")
			}
			noSteering(t, "the log", out)
		})
	}
}

// noSteering fails for text with characters that a terminal acts on.
func noSteering(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) { // a terminal that reads bytes takes 0x9b for the start of a command
		t.Errorf("%s is not valid UTF-8: %+q", what, text)
	}
	if i := strings.IndexFunc(text, steers); i >= 0 {
		t.Errorf("%s has %+q", what, text[i:min(len(text), i+20)])
	}
}

// steers reports characters that a terminal acts on, but for the end of a line.
func steers(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
