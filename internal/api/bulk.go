package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/people"
	"schoolbell/internal/upload"
	"schoolbell/wire"
)

// Limits on bulk requests. What they leave out is as for one event.
const (
	maxBulkBody   = 8 << 20 // bytes
	maxBulkEvents = 1_000
	maxBulkValues = 200_000 // of all events
	maxBulkFaults = 10      // shown of one event

	bulkTimeout = 5 * time.Minute // the usual Config.BulkTimeout
)

// bulkRequest is the body of a bulk request. It travels in the context, because huma would copy it.
type bulkRequest struct {
	text   []byte
	ndjson bool
}

type bulkKey struct{}

// readBulk reads the body of a bulk request. Like other large bodies, it takes a share of what they may
// hold, until the request is answered.
func (s *Server) readBulk(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	limited, cancel := context.WithTimeout(ctx.Context(), s.cfg.BulkTimeout)
	defer cancel()
	slow := upload.New(limited, r.Body, http.NewResponseController(w), maxBulkBody+1, s.cfg.ImportIdle)
	body := incoming{from: slow, limit: maxBulkBody, shared: s.largeBodies}
	defer body.release()
	ndjson, p := checkBulkType(r)
	if p == nil {
		p = checkEncoding(r)
	}
	if p == nil {
		p = body.read()
	}
	if p != nil {
		if p.Status != http.StatusRequestTimeout {
			discard(w, r)
		}
		writeProblem(w, p)
		return
	}
	if err := slow.Done(); err != nil {
		writeProblem(w, s.problem(ctx.Context(), err))
		return
	}
	next(huma.WithValue(ctx, bulkKey{}, bulkRequest{body.bytes, ndjson}))
}

// checkBulkType reports whether a body is NDJSON. Other types than that and JSON are refused.
func checkBulkType(r *http.Request) (ndjson bool, p *problem) {
	if kinds := r.Header.Values("Content-Type"); len(kinds) == 1 && importTypes[mediaTypeOf(kinds[0])] == people.FormatNDJSON {
		return true, nil
	}
	if checkMediaType(r) != nil {
		return false, newProblem(codeMedia, "send Content-Type: application/json or application/x-ndjson")
	}
	return false, nil
}

type createEventsOutput struct{ Body wire.BulkResults }

func (s *Server) createEvents(ctx context.Context, _ *struct{}) (*createEventsOutput, error) {
	change := ledger.ChangeOf(ctx)
	change.Void() // the events have changes of their own
	in, _ := ctx.Value(bulkKey{}).(bulkRequest)
	items, p := splitBulk(in)
	if p != nil {
		return nil, p
	}
	out := &createEventsOutput{wire.BulkResults{Results: make([]wire.BulkResult, len(items))}}
	results := out.Body.Results
	var events []ledger.NewEvent
	var places []int // of the events in results
	values := 0
	for i, text := range items {
		item, err := s.decodeBulkItem(text, &values)
		if values > maxBulkValues {
			return nil, newProblem(schoolbell.CodeTooLarge, "the events have more than "+formatCount(maxBulkValues)+" values in all; send fewer at a time")
		}
		if err != nil {
			results[i] = bulkProblem(i, s.problem(ctx, err))
			continue
		}
		own := change.Another()
		item.idem.Scope = callerOf(ctx).keyID()
		events = append(events, ledger.NewEvent{Event: requestedEvent(ctx, &item.event.NewEvent, own), Idempotency: item.idem, Change: own})
		places = append(places, i)
	}
	if len(events) == 0 {
		return out, nil
	}
	created, err := s.cfg.Pipeline.CreateMany(ctx, events)
	if err != nil {
		return nil, err
	}
	for n, c := range created {
		results[places[n]] = s.bulkResult(ctx, places[n], c)
	}
	return out, nil
}

// bulkResult shows the result for one event.
func (s *Server) bulkResult(ctx context.Context, index int, c ledger.CreatedEvent) wire.BulkResult {
	switch {
	case c.Err != nil:
		return bulkProblem(index, s.problem(ctx, c.Err))
	case c.Replayed:
		return wire.BulkResult{Index: index, Status: http.StatusOK, Event: wire.EventOf(c.Event)}
	}
	return wire.BulkResult{Index: index, Status: http.StatusCreated, Event: wire.EventOf(c.Event)}
}

// bulkProblem shows what is wrong with one event, with fewer faults than in an answer of its own.
func bulkProblem(index int, p *problem) wire.BulkResult {
	for i, f := range p.Fields {
		if f.Field == "Idempotency-Key" { // as the store calls it
			p.Fields[i].Field = keyField
			p.Detail = keyField + " " + f.Message
		}
	}
	if more := len(p.Fields) - maxBulkFaults; more > 0 {
		p.Fields, p.More = p.Fields[:maxBulkFaults], p.More+more
	}
	return wire.BulkResult{Index: index, Status: p.Status, Problem: &p.Problem}
}
