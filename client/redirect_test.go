package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"schoolbell/client"
)

func TestRedirect(t *testing.T) {
	t.Parallel()
	t.Run("the key is not sent to another server", testRedirectKeepsKey)
}

// The key is for one server: a server that answers with a redirect does not pass it on.
func testRedirectKeepsKey(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{URL: srv.URL, Key: "4f9c2e7ab1d05836e9f7"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Users(t.Context(), client.Page{}); err == nil || !strings.Contains(err.Error(), "redirects to "+other.URL) {
		t.Errorf("got %v", err)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}
