package api

import (
	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
)

// Route is a line of the route table, for tests that walk it.
type Route struct {
	Method, Path string
	Need         schoolbell.Scope
	User         bool
	Action       string // for the audit
}

// Routes returns the route table.
func (s *Server) Routes() (out []Route) {
	for _, rt := range s.routes() {
		out = append(out, Route{rt.method, rt.path, rt.need, rt.user, rt.action})
	}
	return out
}

// Cursor and its codec, for the test that they fit each other.
type Cursor = cursor

func (c cursor) Encode() (string, error) { return c.encode() }

var DecodeCursor = decodeCursor

var Fingerprint = fingerprint

var (
	ParseActor  = parseActor
	ParseTarget = parseTarget
)

// OpenAPI returns the document.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }
