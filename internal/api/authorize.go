package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/ledger"
)

// authorized lets requests through whose key or token allows the route, as often as it may.
func (s *Server) authorized(rt route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c, p := s.admit(ctx.Context(), w, r, rt)
		if p != nil {
			writeProblem(w, p)
			return
		}
		inner := auth.WithPrincipal(context.WithValue(ctx.Context(), callerKey{}, c), c.Principal)
		if rt.action != "" {
			inner = ledger.WithChange(inner, s.newChange(rt, r, c.Principal))
		}
		next(huma.WithContext(ctx, inner))
	}
}

// admit returns the caller, or why the request is not served.
func (s *Server) admit(ctx context.Context, w http.ResponseWriter, r *http.Request, rt route) (caller, *problem) {
	if rt.need == open {
		return caller{}, nil
	}
	credential, _, _ := credentialOf(r) // authorize says what is wrong with it
	if wait, ok := s.rates.allowGuess(r, credential, w.Header()); !ok {
		s.refusals.counter.WithLabelValues(reasonLimited).Inc()
		return caller{}, tooOften(wait, "too many requests without a valid key from this address")
	}
	c, err := s.authorize(ctx, r, rt)
	if schoolbell.CodeOf(err) == schoolbell.CodeUnauthorized {
		s.rates.guessed(r, credential)
	}
	if err != nil {
		s.refusals.note(ctx, rt, err)
		return caller{}, s.problem(ctx, err)
	}
	if wait, ok := s.rates.allowCaller(c, w.Header()); !ok {
		return caller{}, tooOften(wait, "too many requests")
	}
	c.check = func(ctx context.Context) error {
		_, err := s.authorize(ctx, r, rt)
		return err
	}
	return c, nil
}

// authorize returns the caller, or why they may not use the route.
func (s *Server) authorize(ctx context.Context, r *http.Request, rt route) (caller, error) {
	if rt.need == open {
		return caller{}, nil
	}
	credential, inURL, err := credentialOf(r)
	switch {
	case err != nil:
		return caller{}, err
	case credential == "":
		return caller{}, &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "an API key is required: Authorization: Bearer <key>"}
	case auth.IsToken(credential):
		return s.authorizeToken(ctx, r, rt, credential)
	case inURL: // URLs end up in logs and histories; a key lives too long for that
		return caller{}, &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the token parameter accepts user tokens only; send an API key in the Authorization header"}
	}
	key, err := s.cfg.Auth.Key(ctx, credential)
	if err != nil {
		return caller{}, err
	}
	p := auth.KeyPrincipal(key)
	if !p.Grants.Allow(rt.need) {
		return caller{}, &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "this call needs a key of scope " + string(rt.need)}
	}
	return caller{Principal: p, key: key}, nil
}

// authorizeToken lets a user at their own inbox, preferences and devices.
func (s *Server) authorizeToken(ctx context.Context, r *http.Request, rt route, token string) (caller, error) {
	user, err := s.cfg.Auth.TokenUser(ctx, token)
	if err != nil {
		return caller{}, err
	}
	p := user.Principal()
	if !rt.user || !p.Grants.AllowUser(r.PathValue("id")) {
		return caller{}, &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "a user token allows that user's own inbox, preferences and devices only"}
	}
	return caller{Principal: p, token: user}, nil
}

// credentialOf returns what the caller shows: the bearer of the Authorization
// header or, for EventSource, which cannot set one, the token in the URL.
func credentialOf(r *http.Request) (credential string, inURL bool, err error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		token := r.URL.Query().Get("token")
		return token, token != "", nil
	}
	scheme, bearer, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the Authorization header must be: Bearer <key>"}
	}
	return strings.TrimSpace(bearer), false, nil
}
