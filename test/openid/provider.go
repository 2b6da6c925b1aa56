// Package openid is an identity provider for tests. It speaks OpenID Connect over HTTP on loopback as real ones do, checks
// what it is asked, and misbehaves as it is told.
package openid

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// ClientID and ClientSecret are those of the only client. The secret has characters that have to be encoded.
const (
	ClientID     = "schoolbell"
	ClientSecret = "a secret: 100% + more"
)

// Settings are what the program needs to use the identity provider.
func (p *Provider) Settings() []string {
	return []string{"OIDC_ISSUER=" + p.URL, "OIDC_CLIENT_ID=" + ClientID, "OIDC_CLIENT_SECRET=" + ClientSecret, "OIDC_NAME=Hollowbrook ID"}
}

// Manner is how the identity provider behaves. The zero Manner is correct.
type Manner struct {
	Down      bool           // every connection ends without an answer
	TokenDown bool           // so does that of the token endpoint
	KeysDown  bool           // so does that of the keys
	Deny      string         // error in place of a code
	Reject    string         // error of the token endpoint
	Claims    map[string]any // in place of those of the ID token; nil removes one
	UserInfo  map[string]any // claims that only the userinfo endpoint tells
	Algorithm string         // RS256 if empty; also ES256, none and HS256
	OtherKey  bool           // the signature is of a key that is not published, under the name of one that is
	NoIDToken bool
	Issuer    string // parameter iss of the answer
	Post      bool   // the secret is expected in the form
}

// Provider is the identity provider.
type Provider struct {
	t   testing.TB
	URL string

	mu      sync.Mutex
	manner  Manner
	rsa     *rsa.PrivateKey
	ec      *ecdsa.PrivateKey
	keys    int // how often the keys were replaced
	codes   map[string]url.Values
	person  map[string]any
	tokens  map[string]map[string]any // claims of userinfo by access token
	visits  int
	prompts []string
}

// New starts an identity provider that ends with the test.
func New(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{t: t, codes: map[string]url.Values{}, tokens: map[string]map[string]any{}}
	p.Rotate()
	p.Person("person-1", "nobody@hollowbrook.example")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.metadata)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /decide", p.decide)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", p.published)
	mux.HandleFunc("GET /userinfo", p.userInfo)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.now().Down {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Behave changes how the identity provider behaves.
func (p *Provider) Behave(m Manner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manner = m
}

func (p *Provider) now() Manner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.manner
}

// Person is who signs in from now on, with a verified email address.
func (p *Provider) Person(subject, email string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.person = map[string]any{"sub": subject, "email": email, "email_verified": true}
}

// Prompts are the values of prompt with which people came.
func (p *Provider) Prompts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.prompts...)
}

// Rotate replaces the keys.
func (p *Provider) Rotate() {
	p.t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rsa, p.ec = rsaKey, ecKey
	p.keys++
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (p *Provider) metadata(w http.ResponseWriter, _ *http.Request) {
	methods := []string{"client_secret_basic", "client_secret_post"}
	if p.now().Post {
		methods = methods[1:]
	}
	answer(w, http.StatusOK, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "HS256", "none"}, "token_endpoint_auth_methods_supported": methods})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *Provider) published(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.manner.KeysDown {
		panic(http.ErrAbortHandler)
	}
	point, err := p.ec.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	answer(w, http.StatusOK, map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": fmt.Sprint("rsa-", p.keys), "n": b64(p.rsa.N.Bytes()), "e": "AQAB"},
		{"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": fmt.Sprint("ec-", p.keys), "x": b64(point[1:33]), "y": b64(point[33:])}}})
}

var page = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hollowbrook ID</title></head><body><main>
<h1>Hollowbrook ID</h1><form method="post" action="/decide"><input type="hidden" name="request" value="{{.Request}}">
<button name="go" value="on">Continue as {{.Email}}</button> <button name="go" value="back">Cancel</button></form></main></body></html>`))

// authorize is the page on which people sign in at the identity provider.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	p.visits++
	p.prompts = append(p.prompts, q.Get("prompt"))
	email := p.person["email"]
	p.mu.Unlock()
	for name, want := range map[string]string{"response_type": "code", "client_id": ClientID, "scope": "openid email", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			p.t.Errorf("the browser comes with %s=%q, want %q", name, q.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 43 {
			p.t.Errorf("the browser comes with %s=%q", name, q.Get(name))
		}
	}
	_ = page.Execute(w, map[string]any{"Request": r.URL.RawQuery, "Email": email})
}

// decide sends the browser back, with a code or with an error.
func (p *Provider) decide(w http.ResponseWriter, r *http.Request) {
	request, err := url.ParseQuery(r.PostFormValue("request"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	back := url.Values{"state": {request.Get("state")}}
	deny := p.manner.Deny
	if r.PostFormValue("go") == "back" {
		deny = "access_denied"
	}
	if p.manner.Issuer != "" {
		back.Set("iss", p.manner.Issuer)
	}
	if deny != "" {
		back.Set("error", deny)
		back.Set("error_description", fmt.Sprint(p.person["email"], " was not let in"))
	} else {
		code := rand.Text()
		p.codes[code] = request
		back.Set("code", code)
	}
	http.Redirect(w, r, request.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// token exchanges a code for an ID token, once.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.manner.TokenDown {
		panic(http.ErrAbortHandler)
	}
	request, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case p.manner.Reject != "":
		answer(w, http.StatusBadRequest, map[string]string{"error": p.manner.Reject, "error_description": fmt.Sprint(p.person["email"])})
	case !p.isClient(r):
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
	case !known || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != request.Get("redirect_uri") ||
		b64(challenge[:]) != request.Get("code_challenge"):
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
	default:
		access := rand.Text()
		claims := p.claims(request)
		p.tokens[access] = map[string]any{"sub": claims["sub"]}
		maps.Copy(p.tokens[access], p.manner.UserInfo)
		body := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(claims)}
		if p.manner.NoIDToken {
			delete(body, "id_token")
		}
		answer(w, http.StatusOK, body)
	}
}

func (p *Provider) isClient(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if p.manner.Post {
		return !basic && r.PostFormValue("client_id") == ClientID && r.PostFormValue("client_secret") == ClientSecret
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	return basic && idErr == nil && secretErr == nil && id == ClientID && secret == ClientSecret
}

func (p *Provider) claims(request url.Values) map[string]any {
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": request.Get("nonce")}
	maps.Copy(claims, p.person)
	maps.Copy(claims, p.manner.Claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// sign makes an ID token.
func (p *Provider) sign(claims map[string]any) string {
	alg := p.manner.Algorithm
	if alg == "" {
		alg = "RS256"
	}
	kid := map[string]string{"RS256": "rsa-", "ES256": "ec-"}[alg]
	header, _ := json.Marshal(map[string]string{"alg": alg, "typ": "JWT", "kid": fmt.Sprint(kid, p.keys)})
	payload, _ := json.Marshal(claims)
	text := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	switch alg {
	case "RS256":
		key := p.rsa
		if p.manner.OtherKey {
			key, _ = rsa.GenerateKey(rand.Reader, 2048)
		}
		signature, _ = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case "ES256":
		r, s, _ := ecdsa.Sign(rand.Reader, p.ec, sum[:])
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case "HS256":
		signature = sum[:] // of no key: the algorithm alone has to be refused
	}
	return text + "." + b64(signature)
}

func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	claims, ok := p.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, http.StatusOK, claims)
}
