package panel

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestDrafts(t *testing.T) {
	form := url.Values{"key": {"k"}, "title": {"T"}, "category": {"announcement"}, "roles": {"parent"}}
	itself := map[string]string{"HX-Request": "true"}
	save := func(form url.Values, headers map[string]string) (code, calls int, body string) {
		s, _, n := newGuarded(t, "")
		w := ask(s, http.MethodPost, Root+"compose/draft", "sender", form, headers)
		return w.Code, n.calls, w.Body.String()
	}
	t.Run("a form is kept, and its page is shown again", func(t *testing.T) {
		if code, calls, body := save(form, nil); code != http.StatusSeeOther || calls != 1 || body != "" {
			t.Errorf("%d, %d calls, %q", code, calls, body)
		}
	})
	t.Run("a page that saves itself gets a sentence", func(t *testing.T) {
		if code, calls, body := save(form, itself); code != http.StatusOK || calls != 1 || strings.Contains(body, "<html") {
			t.Errorf("%d, %d calls, %q", code, calls, body)
		}
	})
	t.Run("a form without words does not save itself", func(t *testing.T) {
		if code, calls, body := save(url.Values{"key": {"k"}, "roles": {"parent"}}, itself); code != http.StatusNoContent || calls != 0 || body != "" {
			t.Errorf("%d, %d calls, %q", code, calls, body)
		}
	})
	t.Run("an urgent form needs the right to send it", func(t *testing.T) {
		urgent := url.Values{"key": {"k"}, "title": {"T"}, "category": {"urgent"}}
		if code, calls, _ := save(urgent, nil); code != http.StatusForbidden || calls != 0 {
			t.Errorf("%d, %d calls", code, calls)
		}
	})
	t.Run("no draft is in the audit", func(t *testing.T) {
		for _, rt := range allRoutes(t) {
			if strings.Contains(rt.Path, "draft") && (rt.Action != "" || rt.Method == http.MethodPost && !rt.Own) {
				t.Errorf("%s %s", rt.Method, rt.Path)
			}
		}
	})
}
