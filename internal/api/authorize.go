package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/auth"
)

// authorized lets requests through whose key or token allows the route.
func (s *Server) authorized(rt route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if err := s.authorize(ctx.Context(), r, rt); err != nil {
			writeProblem(w, s.problem(ctx.Context(), err))
			return
		}
		next(ctx)
	}
}

// authorize returns why the caller may not use the route.
func (s *Server) authorize(ctx context.Context, r *http.Request, rt route) error {
	if rt.need == open {
		return nil
	}
	credential, inURL, err := credentialOf(r)
	switch {
	case err != nil:
		return err
	case credential == "":
		return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "an API key is needed: Authorization: Bearer <key>"}
	case auth.IsToken(credential):
		return s.authorizeToken(ctx, r, rt, credential)
	case inURL: // URLs end up in logs and histories; a key lives too long for that
		return &schoolbell.Error{Code: schoolbell.CodeUnauthorized, Message: "the token parameter takes user tokens only; send an API key in the Authorization header"}
	}
	key, err := s.cfg.Auth.Key(ctx, credential)
	if err != nil {
		return err
	}
	if !key.Scope.Allows(rt.need) {
		return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "this needs a key of scope " + string(rt.need)}
	}
	return nil
}

// authorizeToken lets a user at their own inbox and preferences.
func (s *Server) authorizeToken(ctx context.Context, r *http.Request, rt route, token string) error {
	user, err := s.cfg.Auth.TokenUser(ctx, token)
	if err != nil {
		return err
	}
	if !rt.user || r.PathValue("id") != user {
		return &schoolbell.Error{Code: schoolbell.CodeForbidden, Message: "a user token allows that user's own inbox and preferences only"}
	}
	return nil
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
