package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"schoolbell/internal/app"
)

// Live asks the server at base for /livez; nil means that it runs.
func Live(ctx context.Context, base string) error {
	conf := &tls.Config{InsecureSkipVerify: true} // nothing secret is sent, and an expired certificate does not mean that the process is dead
	if _, err := get(ctx, base+"/livez", conf); err != nil {
		return fmt.Errorf("%s is not running: %s", base, app.Reason(err))
	}
	return nil
}

// get reads a small page, over TLS as conf says, and takes any status but 200 for an error.
func get(ctx context.Context, url string, conf *tls.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: conf}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return string(body), fmt.Errorf("it answers %s", strings.ToLower(resp.Status))
	}
	return string(body), nil
}

// maxQuoted is how much of an answer is quoted, in characters.
const maxQuoted = 300

// oneLine returns s without line breaks and runs of spaces, cut to n characters.
func oneLine(s string, n int) string {
	text := []rune(strings.Join(strings.Fields(s), " "))
	if len(text) <= n {
		return string(text)
	}
	return string(text[:n-1]) + "…"
}
