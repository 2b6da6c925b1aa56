package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// keyField is the member of a bulk event that is not part of the event.
const keyField = "idempotency_key"

// splitBulk returns the texts of the events of a bulk request. They are parts of its body.
func splitBulk(in bulkRequest) ([][]byte, *problem) {
	switch {
	case len(in.text) == 0:
		return nil, newProblem(codeMalformed, "the body is missing")
	case in.ndjson:
		return splitLines(in.text)
	}
	return splitArray(in.text)
}

// splitLines returns the lines of NDJSON that are not empty.
func splitLines(body []byte) (items [][]byte, p *problem) {
	for line := range bytes.Lines(bytes.TrimPrefix(body, []byte("\ufeff"))) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(items) == maxBulkEvents {
			return nil, tooManyEvents()
		}
		items = append(items, line)
	}
	return items, nil
}

// splitArray returns the items of a JSON array.
func splitArray(body []byte) (items [][]byte, p *problem) {
	if !schoolbell.ValidJSONText(body) {
		return nil, newProblem(codeMalformed, decodeJSON(body, nil).Error())
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, newProblem(codeMalformed, "the body must be a JSON array of events, or NDJSON with Content-Type: application/x-ndjson")
	}
	var item json.RawMessage // each item overwrites the one before
	for dec.More() {
		if len(items) == maxBulkEvents {
			return nil, tooManyEvents()
		}
		if err := dec.Decode(&item); err != nil {
			return nil, brokenArray(body, dec.InputOffset(), err)
		}
		end := dec.InputOffset()
		items = append(items, body[end-int64(len(item)):end])
	}
	if _, err := dec.Token(); err != nil {
		return nil, brokenArray(body, dec.InputOffset(), err)
	}
	if rest := body[dec.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return nil, brokenArray(body, dec.InputOffset(), errors.New("there is text after the array"))
	}
	return items, nil
}

// brokenArray says what is wrong with the array after the first n bytes.
func brokenArray(body []byte, n int64, err error) *problem {
	line, column := position(body, n+1)
	return newProblem(codeMalformed, fmt.Sprintf("the body is not valid JSON after line %d, column %d: %v", line, column, err))
}

func tooManyEvents() *problem {
	return newProblem(schoolbell.CodeTooLarge, "the body has more than "+formatCount(maxBulkEvents)+" events; split it")
}

// bulkItem is an event of a bulk request. Its idem has no scope yet.
type bulkItem struct {
	event wire.BulkEvent
	idem  ledger.Idempotency
}

// decodeBulkItem decodes and checks an event as a request for one is. It adds the number of its values to
// values. Its errors are what is wrong with the event.
func (s *Server) decodeBulkItem(text []byte, values *int) (item bulkItem, err error) {
	if len(text) > maxEventBody {
		return item, schoolbell.Invalid("", "the event is larger than %d KiB", maxEventBody>>10)
	}
	n, p := countJSON("the event", text, maxEventValues)
	if *values += n; p != nil {
		return item, schoolbell.Invalid("", "%s", p.Detail)
	}
	var tree any
	if err := decodeNamed("the event", text, &tree); err != nil {
		return item, schoolbell.Invalid("", "%v", err)
	}
	if p := s.checkBulkEvent(tree); p != nil {
		return item, p
	}
	if err := decodeNamed("the event", text, &item.event); err != nil {
		return item, schoolbell.Invalid("", "%v", err)
	}
	if err := checkKey(keyField, item.event.IdempotencyKey); err != nil {
		return item, err
	}
	if item.idem.Key = item.event.IdempotencyKey; item.idem.Key != "" {
		item.idem.Fingerprint, err = fingerprint(text, keyField)
	}
	return item, err
}

// checkBulkEvent reports what the schema of an event does not allow.
func (s *Server) checkBulkEvent(tree any) *problem {
	return checkEvent(s.api.OpenAPI().Components.Schemas, s.bulkEvent, tree)
}

// checkEvent reports what a schema of an event does not allow.
func checkEvent(schemas huma.Registry, schema *huma.Schema, tree any) *problem {
	path := huma.NewPathBuffer(make([]byte, 0, 128), 0)
	path.Push("body")
	var result huma.ValidateResult
	huma.Validate(schemas, schema, path, huma.ModeWriteToServer, tree, &result)
	var fields []wire.FieldError
	detail := ""
	for _, err := range result.Errors {
		d, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok {
			d = &huma.ErrorDetail{Message: err.Error()}
		}
		field, message := blame(d)
		if field == "" {
			detail = message
			continue
		}
		fields = append(fields, wire.FieldError{Field: field, Message: message})
	}
	if len(result.Errors) == 0 {
		return nil
	}
	if len(fields) > 0 {
		detail = fields[0].Field + ": " + fields[0].Message
	}
	return newProblem(schoolbell.CodeInvalid, detail, fields...)
}
