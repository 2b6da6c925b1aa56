package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// maxSubject is how many bytes a subject may have, by the standard.
const maxSubject = 255

// Person is who has signed in, as the identity provider says.
type Person struct {
	Issuer, Subject string // together they name one person, for ever
	Email           string // empty if it is not known
	Verified        bool   // the address belongs to the person
}

// Begin returns the URL at the identity provider to which the browser of an attempt goes. With choose, people are asked which
// of their accounts there they mean.
func (p *Provider) Begin(ctx context.Context, a Attempt, choose bool) (string, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.nonce()), oauth2.S256ChallengeOption(a.verifier())}
	if choose {
		options = append(options, oauth2.SetAuthURLParam("prompt", "select_account"))
	}
	return m.oauth.AuthCodeURL(a.state(), options...), nil
}

// Finish returns who has signed in, of the answer that the browser has brought. Errors are a [Fault].
func (p *Provider) Finish(ctx context.Context, a Attempt, answer url.Values) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	code, err := p.codeOf(a, answer)
	if err != nil {
		return Person{}, err
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.http)
	tokens, err := m.oauth.Exchange(ctx, code, oauth2.VerifierOption(a.verifier()))
	if err != nil {
		return Person{}, faultOfExchange(err)
	}
	token, err := p.verify(ctx, m, a, tokens)
	if err != nil {
		return Person{}, err
	}
	return p.person(ctx, m, token, tokens)
}

// codeOf returns the code of an answer that belongs to the attempt.
func (p *Provider) codeOf(a Attempt, answer url.Values) (string, error) {
	switch issuer := answer.Get("iss"); {
	case a.expired(p.cfg.Clock()):
		return "", fault(TooLate, "the browser has no attempt, or an old one")
	case !same(answer.Get("state"), a.state()):
		return "", fault(OtherState, "the state is not that of the attempt of the browser")
	case issuer != "" && issuer != p.cfg.Issuer: // RFC 9207
		return "", fault(Untrusted, "the answer is that of another issuer")
	case answer.Get("error") != "":
		return "", faultOfError(answer.Get("error"))
	case answer.Get("code") == "":
		return "", fault(Unavailable, "the answer has no code")
	}
	return answer.Get("code"), nil
}

// verify returns the ID token of an answer, if it is the identity provider's and for this attempt.
func (p *Provider) verify(ctx context.Context, m *metadata, a Attempt, tokens *oauth2.Token) (*oidc.IDToken, error) {
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, fault(Untrusted, "the answer has no ID token")
	}
	keys := &watchedKeys{KeySet: m.keys}
	verifier := oidc.NewVerifier(p.cfg.Issuer, keys, &oidc.Config{SupportedSigningAlgs: m.algorithms, Now: p.cfg.Clock, SkipClientIDCheck: true}) // it is checked below
	token, err := verifier.Verify(ctx, raw)
	if _, old := errors.AsType[*oidc.TokenExpiredError](err); old {
		return nil, fault(OldToken, "the ID token has expired")
	}
	if err != nil && keys.unavailable {
		return nil, fault(Unavailable, "read the keys of the identity provider: %w", err)
	}
	if err != nil {
		return nil, fault(Untrusted, "the ID token: %w", err)
	}
	if err := p.checkClient(token); err != nil {
		return nil, err
	}
	switch {
	case !same(token.Nonce, a.nonce()):
		return nil, fault(OtherNonce, "the nonce is not that of the attempt of the browser")
	case token.Subject == "" || len(token.Subject) > maxSubject:
		return nil, fault(Untrusted, "the ID token names nobody")
	}
	return token, nil
}

// checkClient refuses an ID token that was made for another program.
func (p *Provider) checkClient(token *oidc.IDToken) error {
	var claims struct {
		AuthorizedParty string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		return fault(Untrusted, "the ID token cannot be read")
	}
	party := claims.AuthorizedParty
	if !slices.Contains(token.Audience, p.cfg.ClientID) || party != "" && party != p.cfg.ClientID || party == "" && len(token.Audience) > 1 {
		return fault(OtherClient, "the audience of the ID token is not OIDC_CLIENT_ID")
	}
	return nil
}

// watchedKeys notes whether an ID token could not be verified because the keys could not be read, which the library says in
// its text only. A key set that was read has the error of a wrong signature.
type watchedKeys struct {
	oidc.KeySet
	unavailable bool
}

// VerifySignature implements oidc.KeySet.
func (k *watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	k.unavailable = err != nil && errors.Unwrap(err) != nil // "fetching keys" is the only error that wraps another
	return payload, err
}

// emailClaims are what an identity provider says of an email address.
type emailClaims struct {
	Email    string          `json:"email"`
	Verified json.RawMessage `json:"email_verified"`
	Domain   json.RawMessage `json:"xms_edov"` // of Microsoft Entra ID: the owner of the address's domain is verified
}

func (p *Provider) person(ctx context.Context, m *metadata, token *oidc.IDToken, tokens *oauth2.Token) (Person, error) {
	var claims emailClaims
	if err := token.Claims(&claims); err != nil {
		return Person{}, fault(Untrusted, "the ID token cannot be read")
	}
	if claims.Email == "" && m.userInfo {
		claims = p.askEmail(ctx, m, token, tokens)
	}
	return Person{Issuer: p.cfg.Issuer, Subject: token.Subject, Email: lower(claims.Email), Verified: claims.Email != "" && claims.verified(p.cfg.TrustEmail)}, nil
}

// askEmail reads the email address where the ID token has none, as that of many identity providers. Without an answer it is not
// known, which is no matter for those who have signed in before.
func (p *Provider) askEmail(ctx context.Context, m *metadata, token *oidc.IDToken, tokens *oauth2.Token) (claims emailClaims) {
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil || info.Subject != token.Subject || info.Claims(&claims) != nil {
		return emailClaims{}
	}
	return claims
}

// verified reports whether the address belongs to the person. Some identity providers write true as a text, or not at all.
func (c emailClaims) verified(trusted bool) bool {
	switch {
	case len(c.Verified) > 0:
		return yes(c.Verified)
	case len(c.Domain) > 0:
		return yes(c.Domain)
	}
	return trusted
}

func yes(claim json.RawMessage) bool {
	text := string(bytes.Trim(claim, `"`))
	return text == "true" || text == "1"
}

// lower makes the letters A to Z small. Others stay: some become one of a to z, and the address that of somebody else.
func lower(email string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, email)
}
