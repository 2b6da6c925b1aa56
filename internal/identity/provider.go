package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"schoolbell"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20         // bytes
	retryEvery     = 2 * time.Second // at most so often an unavailable identity provider is asked
)

// Config is what a Provider is made of.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	RedirectURL  string           // to which the identity provider sends browsers back
	TrustEmail   bool             // an email address is verified if the identity provider does not say whether it is
	Clock        func() time.Time // nil means time.Now
}

// Provider is an identity provider. It is asked for its metadata when somebody signs in for the first time, so it may be
// unavailable while the program starts. It is safe for concurrent use.
type Provider struct {
	cfg  Config
	http *http.Client

	mu     sync.Mutex
	found  *metadata
	failed error // of the last attempt to read the metadata
	at     time.Time
}

// New returns the identity provider of a configuration.
func New(cfg Config) *Provider {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client := &http.Client{Transport: bounded{transport}, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the secret goes nowhere else
	return &Provider{cfg: cfg, http: client}
}

// bounded cuts answers that are too long, which JSON then cannot be.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// metadata is what the identity provider says of itself.
type metadata struct {
	provider   *oidc.Provider
	oauth      oauth2.Config
	keys       oidc.KeySet
	algorithms []string
	userInfo   bool
}

// published are the fields of the metadata that are read here.
type published struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
}

// metadata returns what the identity provider says of itself. Only one caller asks for it at a time, and none right after
// another has failed.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if p.failed != nil && time.Since(p.at) < retryEvery {
		return nil, p.failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout) // it is for all who wait
	defer cancel()
	found, err := p.discover(ctx)
	p.found, p.failed, p.at = found, err, time.Now()
	return found, err
}

func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	ctx = oidc.ClientContext(ctx, p.http)
	found, err := oidc.NewProvider(ctx, p.cfg.Issuer)
	if err != nil {
		return nil, fault(Unavailable, "read the metadata of OIDC_ISSUER: %w", err)
	}
	var m published
	if err := found.Claims(&m); err != nil {
		return nil, fault(Unavailable, "read the metadata of OIDC_ISSUER: %w", err)
	}
	for name, text := range map[string]string{"authorization_endpoint": m.Authorization, "token_endpoint": m.Token, "jwks_uri": m.Keys, "userinfo_endpoint": m.UserInfo} {
		if err := checkEndpoint(text); err != nil && (text != "" || name != "userinfo_endpoint") {
			return nil, fault(BadSetup, "the %s of OIDC_ISSUER: %w", name, err)
		}
	}
	algorithms, err := m.signatures()
	if err != nil {
		return nil, err
	}
	return &metadata{provider: found, keys: oidc.NewRemoteKeySet(ctx, m.Keys), algorithms: algorithms, userInfo: m.UserInfo != "",
		oauth: oauth2.Config{ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, RedirectURL: p.cfg.RedirectURL, Scopes: []string{oidc.ScopeOpenID, "email"},
			Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: m.authStyle()}}}, nil
}

// checkEndpoint refuses to send people and secrets unencrypted over a network.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && schoolbell.Loopback(u.Hostname())) {
		return errors.New("it is not an https:// URL")
	}
	return nil
}

// authStyle is how the secret is sent. Guessing would send the code twice, and the second time it is used.
func (m published) authStyle() oauth2.AuthStyle {
	if len(m.Methods) > 0 && !slices.Contains(m.Methods, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// signatures are the algorithms that are accepted: those with a public key that the identity provider uses.
func (m published) signatures() (accepted []string, err error) {
	known := []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}
	for _, alg := range m.Algorithms {
		if slices.Contains(known, alg) {
			accepted = append(accepted, alg)
		}
	}
	if len(m.Algorithms) == 0 {
		return []string{oidc.RS256}, nil
	}
	if len(accepted) == 0 {
		return nil, fault(BadSetup, "OIDC_ISSUER signs with none of %v", known)
	}
	return accepted, nil
}

// Check asks the identity provider for its metadata and its keys.
func (p *Provider) Check(ctx context.Context) error {
	m, err := p.metadata(ctx)
	if err != nil {
		return err
	}
	var published published
	if err := m.provider.Claims(&published); err != nil {
		return fault(Unavailable, "read the metadata of OIDC_ISSUER: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, published.Keys, nil)
	if err != nil {
		return fault(Unavailable, "read the keys of OIDC_ISSUER: %w", err)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return fault(Unavailable, "read the keys of OIDC_ISSUER: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fault(Unavailable, "read the keys of OIDC_ISSUER: %w", fmt.Errorf("status %d", resp.StatusCode))
	}
	return nil
}
