package vapid

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

const (
	lifetime   = 12 * time.Hour // push services refuse tokens that are valid for more than 24 hours
	renewAhead = time.Hour      // for clocks that differ
	maxOrigins = 500            // whose tokens are kept
)

// Tokens makes the tokens for push services, and keeps them for hours, because signatures are slow. It is safe for
// concurrent use.
type Tokens struct {
	key     *Key
	subject string
	now     func() time.Time

	mu    sync.Mutex
	known map[string]token // by origin
}

type token struct {
	text string
	ends time.Time
}

// NewTokens returns a Tokens. subject is how to contact the sender: mailto: or https:.
func NewTokens(key *Key, subject string) *Tokens {
	return &Tokens{key: key, subject: subject, now: time.Now, known: map[string]token{}}
}

// Authorization returns the header Authorization of a request to a push service. origin is the beginning of the endpoint's URL,
// such as https://push.example.
func (t *Tokens) Authorization(origin string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	k, ok := t.known[origin]
	if !ok || now.After(k.ends.Add(-renewAhead)) {
		var err error
		if k, err = t.sign(origin, now); err != nil {
			return "", err
		}
		if len(t.known) >= maxOrigins {
			clear(t.known)
		}
		t.known[origin] = k
	}
	return "vapid t=" + k.text + ", k=" + t.key.public, nil
}

// Forget makes the next token of an origin a new one, for a push service that has refused the last.
func (t *Tokens) Forget(origin string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, origin)
}

// sign makes a token: a JSON Web Token, signed with ECDSA on P-256 and SHA-256 (RFC 7515, RFC 7518 3.4).
func (t *Tokens) sign(origin string, now time.Time) (token, error) {
	ends := now.Add(lifetime)
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}{origin, ends.Unix(), t.subject})
	if err != nil {
		return token{}, fmt.Errorf("encode a token: %w", err)
	}
	text := encoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + encoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, t.key.private, digest[:])
	if err != nil {
		return token{}, fmt.Errorf("sign a token: %w", err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return token{text + "." + encoding.EncodeToString(signature[:]), ends}, nil
}
