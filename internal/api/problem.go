package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"schoolbell/wire"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"schoolbell"
)

// problem is a failure of a request, as it is answered.
type problem struct {
	wire.Problem

	retryAfter int // seconds, for Retry-After; 0 means the usual for the status
}

// Error and GetStatus make a problem an error that huma writes as it is.
func (p *problem) Error() string           { return p.Code + ": " + p.Detail }
func (p *problem) GetStatus() int          { return p.Status }
func (*problem) ContentType(string) string { return "application/problem+json" }

// kinds are the problems there are: how each is called and answered.
var kinds = []struct {
	code   schoolbell.Code
	status int
	title  string
	means  string
}{
	{codeMalformed, http.StatusBadRequest, "Malformed request", "The body is missing or is not valid JSON in UTF-8, or the path or query cannot be decoded; nothing was done."},
	{schoolbell.CodeUnauthorized, http.StatusUnauthorized, "Not authorized", "The API key or user token is missing or invalid."},
	{schoolbell.CodeForbidden, http.StatusForbidden, "Not allowed", "The API key or user token does not allow this call."},
	{schoolbell.CodeNotFound, http.StatusNotFound, "Not found", "The resource or path does not exist."},
	{codeMethod, http.StatusMethodNotAllowed, "Method not allowed", "The path does not support the method; the Allow header lists those that it supports."},
	{codeTimeout, http.StatusRequestTimeout, "Request too slow", "The body did not arrive in time; nothing was done."},
	{codeClosed, statusClosed, "Client closed request", "The client closed the connection before the answer; seen in logs and metrics only."},
	{schoolbell.CodeConflict, http.StatusConflict, "Conflict", "The state of the resource does not allow this call."},
	{schoolbell.CodeTooLarge, http.StatusRequestEntityTooLarge, "Too large", "The body is over its size limit."},
	{codeMedia, http.StatusUnsupportedMediaType, "Unsupported media type", "The call does not support the body's Content-Type."},
	{schoolbell.CodeInvalid, http.StatusUnprocessableEntity, "Invalid input", "The input is invalid; errors lists each fault with its field. Nothing was stored."},
	{schoolbell.CodeLimited, http.StatusTooManyRequests, "Too many requests", "Too many requests, or too many live streams; Retry-After says when to try again."},
	{schoolbell.CodeInternal, http.StatusInternalServerError, "Internal error", "The server failed; its log has the cause under the request id."},
	{schoolbell.CodeUnavailable, http.StatusServiceUnavailable, "Unavailable", "A dependency of the server is unavailable; try again later."},
}

// Codes of problems that only HTTP knows.
const (
	codeMalformed schoolbell.Code = "malformed"
	codeMethod    schoolbell.Code = "method_not_allowed"
	codeMedia     schoolbell.Code = "unsupported_media_type"
	codeTimeout   schoolbell.Code = "timeout"
	codeClosed    schoolbell.Code = "client_closed"
)

// statusClosed is nginx's status for clients that do not wait for their answer.
const statusClosed = 499

// Limits on what a problem repeats of its request.
const (
	maxFaults      = 100
	maxFaultField  = 200 // characters
	maxFaultDetail = 300 // characters
)

func newProblem(code schoolbell.Code, detail string, faults ...wire.FieldError) *problem {
	for _, k := range kinds {
		if k.code != code {
			continue
		}
		p := &problem{Problem: wire.Problem{Type: "/docs#problem-" + string(code), Title: k.title, Status: k.status,
			Detail: shorten(detail, maxFaultDetail), Code: string(code), More: max(0, len(faults)-maxFaults)}}
		for _, f := range faults[:min(len(faults), maxFaults)] {
			p.Fields = append(p.Fields, wire.FieldError{Field: shorten(f.Field, maxFaultField), Message: shorten(f.Message, maxFaultDetail)})
		}
		return p
	}
	return newProblem(schoolbell.CodeInternal, "internal error")
}

// shorten cuts s to at most limit characters.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for i := range s { // i goes from character to character
		if limit--; limit < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

func formatCount(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", formatCount(n/1000), n%1000)
}

// problem classifies err, logs what is not to be sent, and returns what is.
func (s *Server) problem(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if f, ok := errors.AsType[schoolbell.Faults](err); ok && len(f) > 0 {
		return fromFaults(f)
	}
	e, known := errors.AsType[*schoolbell.Error](err)
	switch {
	case known && e.Code == schoolbell.CodeUnavailable && ctx.Err() == nil:
		s.log.WarnContext(ctx, "request not served", requestAttrs(ctx, err)...)
		return newProblem(e.Code, e.Message)
	case known && e.Code != schoolbell.CodeInternal:
		return fromFaults(schoolbell.Faults{e})
	case errors.Is(ctx.Err(), context.Canceled):
		return newProblem(codeClosed, "the client closed the request")
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		s.log.DebugContext(ctx, "request cancelled", requestAttrs(ctx, err)...)
		return newProblem(schoolbell.CodeUnavailable, "the request was cancelled before it was done")
	}
	s.log.ErrorContext(ctx, "request failed", requestAttrs(ctx, err)...)
	return internalProblem(ctx)
}

func internalProblem(ctx context.Context) *problem {
	return newProblem(schoolbell.CodeInternal, "internal error; the server's log has the cause under request "+requestID(ctx))
}

// fromFaults shows faults that are meant for the caller; their causes stay here.
func fromFaults(faults schoolbell.Faults) *problem {
	var fields []wire.FieldError
	for _, f := range faults {
		if f.Field != "" {
			fields = append(fields, wire.FieldError{Field: f.Field, Message: f.Message})
		}
	}
	detail := faults[0].Message
	if faults[0].Field != "" {
		detail = faults[0].Field + " " + detail
	}
	if n := len(faults) - 1; n > 0 {
		detail += " (and more: see errors)"
	}
	return newProblem(faults[0].Code, detail, fields...)
}

// fromHuma is the transformer that gives huma's own refusals our shape, without
// the values that huma repeats in them.
func (s *Server) fromHuma(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	var fields []wire.FieldError
	detail := m.Detail
	for _, e := range m.Errors {
		field, message := blame(e)
		if field == "" {
			detail = message
			continue
		}
		fields = append(fields, wire.FieldError{Field: field, Message: message})
	}
	if len(fields) > 0 {
		detail = fields[0].Field + ": " + fields[0].Message
	}
	switch m.Status {
	case http.StatusBadRequest:
		return newProblem(codeMalformed, detail, fields...), nil
	case http.StatusRequestTimeout:
		return newProblem(codeTimeout, "the body did not arrive in time"), nil
	case http.StatusRequestEntityTooLarge:
		return newProblem(schoolbell.CodeTooLarge, "the body is too large"), nil
	case http.StatusUnsupportedMediaType:
		return newProblem(codeMedia, "send Content-Type: application/json"), nil
	case http.StatusUnprocessableEntity:
		return newProblem(schoolbell.CodeInvalid, detail, fields...), nil
	}
	s.log.WarnContext(ctx.Context(), "request refused", requestAttrs(ctx.Context(), m)...)
	return internalProblem(ctx.Context()), nil
}

// blame turns huma's "body.audience.roles[0]" into "audience.roles[0]". A missing
// property huma names in its message only, in words that it exports.
func blame(e *huma.ErrorDetail) (field, message string) {
	_, field, _ = strings.Cut(e.Location, ".")
	before, after, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	name, missing := strings.CutPrefix(e.Message, before)
	if name, ok := strings.CutSuffix(name, after); missing && ok {
		return strings.TrimPrefix(field+"."+name, "."), "is required"
	}
	return field, e.Message
}

func tooLarge(limit int) *problem {
	return newProblem(schoolbell.CodeTooLarge, fmt.Sprintf("the body is larger than %d KiB", limit>>10))
}
