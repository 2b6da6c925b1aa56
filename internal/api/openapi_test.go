package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

type openAPI struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Security    []map[string][]string
		Scope       string `json:"x-scope"`
		Parameters  []struct{ Name, In string }
		Responses   map[string]struct {
			Description string
			Content     map[string]json.RawMessage
		}
	}
	Components struct {
		Schemas         map[string]json.RawMessage
		SecuritySchemes map[string]json.RawMessage
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	t.Run("the document describes every route", testOpenAPIComplete)
	t.Run("responses match their schemas", testOpenAPIResponses)
	t.Run("the documentation page is complete and self-contained", testOpenAPIDocsPage)
}

func testOpenAPIComplete(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.raw("GET", "/openapi.json", "", "Authorization", "")
	var doc openAPI
	must(t, json.Unmarshal([]byte(a.body), &doc))
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || doc.Info.Title == "" || doc.Info.Version != "test" {
		t.Errorf("head is %q %+v", doc.OpenAPI, doc.Info)
	}

	inTable, ids, count := 0, map[string]bool{}, 0
	for _, rt := range s.api.Routes() {
		inTable++
		op, ok := doc.Paths[rt.Path][strings.ToLower(rt.Method)]
		if !ok {
			t.Errorf("%s %s is not in the document", rt.Method, rt.Path)
			continue
		}
		where := rt.Method + " " + rt.Path
		if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
			t.Errorf("%s: operation id %q is missing or taken, or there is no summary", where, op.OperationID)
		}
		ids[op.OperationID] = true
		if op.Scope != string(rt.Need) || (len(op.Security) > 0) != (rt.Need != "") {
			t.Errorf("%s: scope %q and security %v, want %q", where, op.Scope, op.Security, rt.Need)
		}
		if _, ok := op.Responses["default"].Content["application/problem+json"]; !ok || len(op.Responses) < 2 {
			t.Errorf("%s: responses %v lack a success or a problem", where, op.Responses)
		}
		for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(rt.Path, -1) {
			if !slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.In == "path" && p.Name == name[1] }) {
				t.Errorf("%s: parameter %s is not documented", where, name[1])
			}
		}
	}
	for _, ops := range doc.Paths {
		count += len(ops)
	}
	if count != inTable {
		t.Errorf("the document has %d operations, the table %d", count, inTable)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		name, ok := strings.CutPrefix(ref[1], "#/components/schemas/")
		if _, there := doc.Components.Schemas[name]; !ok || !there {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
	if strings.Contains(a.body, "octet-stream") || strings.Contains(a.body, "ErrorModel") {
		t.Error("the document shows what huma guessed")
	}
}

func testOpenAPIResponses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("u1")
	ev := s.notice("One", "u1")
	doc := s.api.OpenAPI()
	for _, path := range []string{"/v1/events", "/v1/events/{id}", "/v1/events/{id}/deliveries", "/v1/users", "/v1/users/{id}",
		"/v1/users/{id}/inbox", "/v1/users/{id}/preferences", "/v1/groups", "/v1/settings", "/v1/audit", "/livez", "/readyz"} {
		id := "u1"
		if strings.Contains(path, "events") {
			id = ev.ID
		}
		a := s.raw("GET", strings.ReplaceAll(path, "{id}", id), "")
		var body any
		must(t, json.Unmarshal([]byte(a.body), &body))
		schema := doc.Paths[path].Get.Responses[fmt.Sprint(a.StatusCode)].Content["application/json"].Schema
		res := &huma.ValidateResult{}
		huma.Validate(doc.Components.Schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, body, res)
		if len(res.Errors) > 0 {
			t.Errorf("%s answers %s, which breaks its schema: %v", path, a.body, res.Errors)
		}
	}
}

func testOpenAPIDocsPage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := s.raw("GET", "/docs", "", "Authorization", "")
	if a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("answered %d %s", a.StatusCode, a.Header.Get("Content-Type"))
	}
	for _, rt := range s.api.Routes() {
		if !strings.Contains(a.body, `<span class="path">`+rt.Path+`<`) {
			t.Errorf("the page does not show %s", rt.Path)
		}
	}
	if away := regexp.MustCompile(`(src|href)="(https?:)?//`).FindString(a.body); away != "" || strings.Contains(a.body, "<script") {
		t.Errorf("the page loads something: %s", away)
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		if !strings.Contains(a.body, `id="`+link[1]+`"`) {
			t.Errorf("the link to #%s leads nowhere", link[1])
		}
	}
}
