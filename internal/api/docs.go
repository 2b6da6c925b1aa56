package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
)

var (
	//go:embed docs/page.html
	docsPage string
	//go:embed docs/style.css
	docsStyle string
)

// docsDepth is how deep objects in objects are shown.
const docsDepth = 4

// What the documentation page shows of a call.
type docsCall struct {
	ID, Method, Path, Summary string
	Description               string
	Scope                     schoolbell.Scope
	User                      bool
	Parameters                []docsField
	BodyTypes                 []string
	Body                      []docsField
	AnswerStatus, AnswerType  string
	Answer                    []docsField
}

type docsField struct {
	Name, In, Type, Doc string
	Required            bool
	Asked               bool // of the caller, not part of an answer
	Values              []string
	Fields              []docsField // of an object
}

type docsTag struct {
	Name  string
	Calls []docsCall
}

// mountDocs serves the documentation, which is rendered once, when somebody asks first. It is made of the same table
// and types as the API, needs nothing from elsewhere, and cannot fall behind.
func (s *Server) mountDocs() {
	page := sync.OnceValues(s.renderDocs)
	sum := sha256.Sum256([]byte(docsStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
	s.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, r *http.Request) {
		text, err := page()
		if err != nil {
			writeProblem(w, s.problem(r.Context(), err))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(text) // the client may have gone
	})
}

func (s *Server) renderDocs() ([]byte, error) {
	t, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, fmt.Errorf("documentation page: %w", err)
	}
	var page bytes.Buffer
	err = t.Execute(&page, map[string]any{
		"Info": s.api.OpenAPI().Info, "Tags": s.docsTags(), "Problems": docsProblems(), "Style": template.CSS(docsStyle),
	})
	if err != nil {
		return nil, fmt.Errorf("documentation page: %w", err)
	}
	return page.Bytes(), nil
}

type docsProblem struct {
	Code         schoolbell.Code
	Status       int
	Title, Means string
}

func docsProblems() (out []docsProblem) {
	for _, k := range kinds {
		out = append(out, docsProblem{k.code, k.status, k.title, k.means})
	}
	return out
}

func (s *Server) docsTags() (tags []docsTag) {
	for _, rt := range s.routes() {
		if len(tags) == 0 || tags[len(tags)-1].Name != rt.tag {
			tags = append(tags, docsTag{Name: rt.tag})
		}
		tag := &tags[len(tags)-1]
		tag.Calls = append(tag.Calls, s.docsCall(rt))
	}
	return tags
}

func (s *Server) docsCall(rt route) docsCall {
	c := docsCall{ID: rt.id, Method: rt.method, Path: rt.path, Summary: rt.summary, Scope: rt.need, User: rt.user}
	op := operationOf(s.api.OpenAPI().Paths[rt.path], rt.method)
	c.Description = op.Description
	for _, p := range op.Parameters {
		f := s.docsField(p.Name, p.Schema, p.Required, docsDepth)
		f.In, f.Doc = p.In, cmp.Or(p.Description, f.Doc)
		c.Parameters = append(c.Parameters, f)
	}
	asked(c.Parameters)
	if op.RequestBody != nil {
		c.BodyTypes = slices.Sorted(maps.Keys(op.RequestBody.Content))
		for _, name := range c.BodyTypes {
			c.Body = s.docsFields(op.RequestBody.Content[name].Schema, docsDepth)
		}
		asked(c.Body)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if status == "default" {
			continue
		}
		c.AnswerStatus = status
		for kind, media := range op.Responses[status].Content {
			c.AnswerType, c.Answer = kind, s.docsFields(media.Schema, docsDepth)
		}
	}
	return c
}

func asked(fields []docsField) {
	for i := range fields {
		fields[i].Asked = true
		asked(fields[i].Fields)
	}
}

func operationOf(item *huma.PathItem, method string) *huma.Operation {
	return map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPut: item.Put,
		http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete}[method]
}

func (s *Server) resolve(schema *huma.Schema) *huma.Schema {
	for schema != nil && schema.Ref != "" {
		schema = s.api.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// docsFields lists the members of an object, or of the objects in a list, those
// that must be there first.
func (s *Server) docsFields(schema *huma.Schema, depth int) (out []docsField) {
	schema = s.resolve(schema)
	for schema != nil && schema.Items != nil {
		schema = s.resolve(schema.Items)
	}
	if schema == nil || depth == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		out = append(out, s.docsField(name, schema.Properties[name], slices.Contains(schema.Required, name), depth))
	}
	slices.SortStableFunc(out, func(a, b docsField) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	if values, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		out = append(out, s.docsField("…", values, false, depth))
	}
	return out
}

func (s *Server) docsField(name string, schema *huma.Schema, required bool, depth int) docsField {
	f := docsField{Name: name, Required: required, Fields: s.docsFields(schema, depth-1)}
	if schema == nil {
		return f
	}
	f.Doc = schema.Description
	schema = s.resolve(schema)
	f.Doc = cmp.Or(f.Doc, schema.Description)
	var list strings.Builder
	for schema.Items != nil {
		list.WriteString("list of ")
		schema = s.resolve(schema.Items)
	}
	f.Type = list.String() + cmp.Or(map[string]string{"date-time": "time"}[schema.Format], schema.Type, "any")
	for _, v := range schema.Enum {
		f.Values = append(f.Values, fmt.Sprint(v))
	}
	if schema.Minimum != nil && schema.Maximum != nil {
		f.Doc = strings.TrimSpace(fmt.Sprintf("%s From %v to %v.", f.Doc, *schema.Minimum, *schema.Maximum))
	}
	if schema.Default != nil {
		f.Doc = strings.TrimSpace(fmt.Sprintf("%s Default %v.", f.Doc, schema.Default))
	}
	return f
}
