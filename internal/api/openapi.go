package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"schoolbell/wire"

	"github.com/danielgtaylor/huma/v2"
)

// huma knows only one place to say that "Title" is not "title".
func init() { huma.ValidateStrictCasing = true }

// humaConfig leaves out what huma adds by default: its documentation page
// loads scripts from elsewhere, its links to schemas lengthen every answer.
func (s *Server) humaConfig() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	listValues(registry)
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Schoolbell", Version: s.cfg.Version,
				Description: "Sends a school's notifications, in the app and by email. Bodies without a Content-Type are read as JSON."},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"key":   {Type: "http", Scheme: "bearer", Description: "An API key."},
				"token": {Type: "http", Scheme: "bearer", Description: "A user token, for the inbox, preferences and devices of one user. EventSource may send it as the query parameter token."},
			}},
		},
		Formats:                      map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.fromHuma},
	}
}

// operation documents a route. What its types say, huma adds.
func (s *Server) operation(rt route) huma.Operation {
	op := huma.Operation{
		Method: rt.method, Path: rt.path, OperationID: rt.id, Summary: rt.summary, Tags: []string{rt.tag},
		DefaultStatus: rt.status, MaxBodyBytes: int64(rt.maxBody()) + 1, BodyReadTimeout: readTimeout,
		Responses: map[string]*huma.Response{"default": {Description: "A problem", Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[wire.Problem](), true, "Problem")},
		}}},
	}
	op.Description = rt.description
	if rt.streamed {
		op.RequestBody = importBody()
	}
	if rt.need != open {
		op.Security = []map[string][]string{{"key": {}}}
		op.Extensions = map[string]any{"x-scope": string(rt.need)}
	}
	if rt.user {
		op.Security = append(op.Security, map[string][]string{"token": {}})
	}
	if rt.produces != "" {
		status := rt.status
		if status == 0 {
			status = http.StatusOK
		}
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status),
			Content: map[string]*huma.MediaType{rt.produces: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	return op
}

func importBody() *huma.RequestBody {
	body := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	for _, kind := range []string{"text/csv", "application/x-ndjson"} {
		body.Content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return body
}

func (s *Server) bulkBody() *huma.RequestBody {
	most := maxBulkEvents
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json":     {Schema: &huma.Schema{Type: huma.TypeArray, Items: s.bulkEvent, MaxItems: &most}},
		"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openapi+json")
	_ = json.NewEncoder(w).Encode(s.api.OpenAPI()) // the client may have gone
}
