package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// open is what routes need that anybody may call.
const open schoolbell.Scope = ""

// mount registers the handler of a route.
type mount func(*Server, route)

// typed mounts a handler whose request is read and checked by its type.
func typed[I, O any](handle func(context.Context, *I) (*O, error)) mount {
	return func(s *Server, rt route) {
		op := s.operation(rt)
		op.Middlewares = huma.Middlewares{s.authorized(rt), refuseLarge(rt), s.readBody(rt)}
		huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := handle(ctx, in)
			if err == nil {
				ledger.ChangeOf(ctx).Done()
			}
			s.finishChange(ctx)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return out, nil
		})
		documented := operationOf(s.api.OpenAPI().Paths[rt.path], rt.method)
		if rt.document != nil {
			documented.Responses["200"].Content[rt.produces].Schema = s.api.OpenAPI().Components.Schemas.Schema(rt.document, true, "")
		}
		if rt.bulk { // only now: huma reads a body that it knows
			documented.RequestBody = s.bulkBody()
		}
		if body := documented.RequestBody; body != nil {
			delete(body.Content, "application/octet-stream") // huma's guess where a handler sees the raw body too
		}
	}
}

// plain mounts a handler that has no types, and documents it.
func plain(h http.Handler) mount {
	return func(s *Server, rt route) {
		op := s.operation(rt)
		s.api.OpenAPI().AddOperation(&op)
		s.mux.Handle(rt.method+" "+rt.path, h)
	}
}

// refuseLarge answers a body that says beforehand that it is too large.
func refuseLarge(rt route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if r.ContentLength > int64(rt.maxBody()) && !rt.streamed {
			discard(w, r)
			writeProblem(w, tooLarge(rt.maxBody()))
			return
		}
		next(ctx)
	}
}
