// Package client calls a Schoolbell server over HTTP.
//
// A call that the server refuses returns a [*Problem], which names the fault and
// the fields to blame; any other error means that the server was not reached or
// did not speak as it should. Text that is not valid UTF-8 is refused before anything
// is sent. Lists come a page at a time: pass the Next of one
// page as the Cursor of the following one, until it is empty.
//
// The bodies of requests and responses are types of package wire.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"schoolbell/wire"
)

const (
	maxAnswer     = 64 << 20     // bytes of an answer that are read
	maxRetryAfter = 24 * 60 * 60 // seconds
)

// Config says which server to call, and as whom.
type Config struct {
	URL        string       // such as http://127.0.0.1:8080
	Key        string       // API key or user token; may be empty for calls that need none
	HTTPClient *http.Client // nil means http.DefaultClient; without a Timeout, which would end streams
}

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New returns a Client. Nothing is sent yet.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("client: %q is not an http or https URL", cfg.URL)
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = http.DefaultClient
	}
	hc := *cfg.HTTPClient
	if hc.CheckRedirect == nil {
		hc.CheckRedirect = stayHere
	}
	cfg.HTTPClient = &hc
	return &Client{base: strings.TrimSuffix(cfg.URL, "/"), key: cfg.Key, http: cfg.HTTPClient}, nil
}

// stayHere refuses redirects to another server: the API sends none, and the key is for this one.
func stayHere(req *http.Request, via []*http.Request) error {
	if from := via[0].URL; req.URL.Scheme != from.Scheme || req.URL.Host != from.Host || len(via) > 5 {
		return fmt.Errorf("client: the server redirects to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

// Problem is a refusal by the server (RFC 9457).
type Problem struct {
	wire.Problem

	// RetryAfter is how long to wait before the next attempt, for 429 and 503; 0 if the server did not say.
	RetryAfter time.Duration `json:"-"`
}

// Error says what went wrong, with every field.
func (p *Problem) Error() string {
	if len(p.Fields) == 0 {
		return p.Detail
	}
	texts := make([]string, len(p.Fields))
	for i, f := range p.Fields {
		texts[i] = f.Field + ": " + f.Message
	}
	return strings.Join(texts, "; ")
}

// Page asks for one page of a list. The zero value is the first, of the server's usual length.
type Page struct {
	Limit  int
	Cursor string
}

func (p Page) query(more ...string) url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("cursor", p.Cursor)
	if p.Limit != 0 {
		set("limit", strconv.Itoa(p.Limit))
	}
	for i := 0; i+1 < len(more); i += 2 {
		set(more[i], more[i+1])
	}
	return q
}

// call is one request.
type call struct {
	method, path string
	query        url.Values
	header       map[string]string
	body         io.Reader
}

// segments joins path segments, each escaped.
func segments(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

// do sends c and decodes a good answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, r call, out any) (*http.Response, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return resp, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return resp, fmt.Errorf("read the answer to %s %s: %w", r.method, r.path, err)
	}
	return resp, nil
}

// json is do with a JSON body.
func (c *Client) json(ctx context.Context, r call, in, out any) (*http.Response, error) {
	if err := checkText(in); err != nil {
		return nil, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("write the body of %s %s: %w", r.method, r.path, err)
	}
	r.body = bytes.NewReader(body)
	if r.header == nil {
		r.header = map[string]string{}
	}
	r.header["Content-Type"] = "application/json"
	return c.do(ctx, r, out)
}

// send returns the answer if it is a good one. The caller closes its body.
func (c *Client) send(ctx context.Context, r call) (*http.Response, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.body)
	if err != nil {
		return nil, fmt.Errorf("make the request %s %s: %w", r.method, r.path, err)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call the server: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

func refusal(resp *http.Response) error {
	p := &Problem{}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err = errors.Join(err, json.Unmarshal(body, p)); err != nil || p.Code == "" {
		return fmt.Errorf("the server answered %s, and not as Schoolbell does", resp.Status)
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 && seconds <= maxRetryAfter {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
