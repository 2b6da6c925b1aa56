package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"schoolbell/internal/app"
)

// Live asks the server at base for /livez; nil means that it runs.
func Live(ctx context.Context, base string) error {
	if _, err := get(ctx, base+"/livez"); err != nil {
		return fmt.Errorf("%s is not running: %s", base, app.Reason(err))
	}
	return nil
}

// get reads a small page and takes any status but 200 for an error.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
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
