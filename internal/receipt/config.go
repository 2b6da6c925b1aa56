package receipt

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"schoolbell/internal/channel/email/returnpath"
)

// Config says whose receipts are taken.
type Config struct {
	Secret    string // in the URLs; empty for no receipts at all
	PublicURL string // under which providers reach this server

	SESTopics   []string         // ARNs of the SNS topics of SES; none for no receipts of SES
	SNSEndpoint string           // URL that stands for all hosts of Amazon SNS; empty for these hosts themselves
	SendGridKey *ecdsa.PublicKey // of the signed event webhook, on P-256; nil for no receipts of SendGrid
	TwilioToken string           // the account's auth token; empty for no receipts of Twilio

	Bounces *returnpath.Addresses // to which emails come back; nil for no receipts by email

	// Get reads a URL of Amazon SNS over HTTPS, checking the name of the server. Nil means http.Get with limits. The URL
	// has been checked.
	Get   func(ctx context.Context, url string) ([]byte, error)
	Clock func() time.Time // nil means time.Now
}

func (c Config) withDefaults() Config {
	if c.Get == nil {
		c.Get = c.get
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

const (
	getTimeout = 8 * time.Second // SNS waits 15 seconds for an answer
	maxGot     = 64 << 10        // bytes
)

// get reads a small document of Amazon SNS. It follows no redirects: they lead to other hosts than the one that was checked.
func (c Config) get(ctx context.Context, address string) ([]byte, error) {
	if c.SNSEndpoint != "" {
		u, err := url.Parse(address)
		if err != nil {
			return nil, errors.New("the URL cannot be read")
		}
		address = strings.TrimRight(c.SNSEndpoint, "/") + u.RequestURI()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: getTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL, which may hold a token
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxGot))
}
