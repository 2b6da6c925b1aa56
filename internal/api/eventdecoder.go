package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
	"schoolbell/wire"
)

// EventDecoder decodes events that do not come over HTTP, as strictly as POST /v1/events does. It is safe for
// concurrent use.
type EventDecoder struct {
	schemas huma.Registry
	event   *huma.Schema
}

// NewEventDecoder returns a decoder.
func NewEventDecoder() *EventDecoder {
	r := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	listValues(r)
	return &EventDecoder{schemas: r, event: r.Schema(reflect.TypeFor[wire.NewEvent](), true, "NewEvent")}
}

// Decode decodes an event, and returns a fingerprint that is the same for two texts that differ in white space or
// the order of keys only. What is wrong with the text is schoolbell.Faults.
func (d *EventDecoder) Decode(text []byte) (ev *schoolbell.Event, fingerprinted string, err error) {
	var in wire.NewEvent
	if p := d.decode(text, &in); p != nil {
		return nil, "", faultsOf(p)
	}
	fingerprinted, err = fingerprint(text)
	return in.Event(), fingerprinted, err
}

func (d *EventDecoder) decode(text []byte, in *wire.NewEvent) *problem {
	const name = "the event"
	if len(text) > maxEventBody {
		return tooLarge(maxEventBody)
	}
	if _, p := countJSON(name, text, maxEventValues); p != nil {
		return p
	}
	var tree any
	if err := decodeNamed(name, text, &tree); err != nil {
		return newProblem(codeMalformed, err.Error())
	}
	if p := checkEvent(d.schemas, d.event, tree); p != nil {
		return p
	}
	if err := decodeNamed(name, text, in); err != nil {
		return newProblem(codeMalformed, err.Error())
	}
	return nil
}

// faultsOf returns a problem of an input as faults.
func faultsOf(p *problem) schoolbell.Faults {
	var f schoolbell.Faults
	for _, e := range p.Fields {
		f.Add(e.Field, "%s", e.Message)
	}
	if len(f) == 0 {
		f.Add("", "%s", p.Detail)
	}
	return f
}
