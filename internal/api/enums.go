package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
	"schoolbell/bullmq"
	"schoolbell/wire"
)

// The types below stand for others in the OpenAPI document, so that it says which
// values they have, and requests with others are refused, wherever they are used.
type (
	roleValue     string
	channelValue  string
	categoryValue string
	laneValue     string
	modeValue     string
	weekdayValue  string
	kindValue     string
	deliveryValue string
	outcomeValue  string
	stateValue    string
	eventValue    string
	jobStateValue string
	timeValue     string
	actorValue    string
	webhookValue  string
)

func (roleValue) Schema(huma.Registry) *huma.Schema     { return oneOf(schoolbell.Roles()) }
func (channelValue) Schema(huma.Registry) *huma.Schema  { return named("in_app", "email") }
func (categoryValue) Schema(huma.Registry) *huma.Schema { return named("announcement", "urgent") }
func (laneValue) Schema(huma.Registry) *huma.Schema     { return oneOf(schoolbell.Lanes()) }
func (modeValue) Schema(huma.Registry) *huma.Schema     { return oneOf(schoolbell.Modes()) }
func (weekdayValue) Schema(huma.Registry) *huma.Schema  { return oneOf(schoolbell.Weekdays()) }
func (kindValue) Schema(huma.Registry) *huma.Schema     { return oneOf(schoolbell.GroupKinds()) }
func (deliveryValue) Schema(huma.Registry) *huma.Schema { return oneOf(schoolbell.DeliveryStatuses()) }
func (outcomeValue) Schema(huma.Registry) *huma.Schema  { return oneOf(schoolbell.Outcomes()) }
func (stateValue) Schema(huma.Registry) *huma.Schema    { return oneOf(schoolbell.AddressStates()) }
func (eventValue) Schema(huma.Registry) *huma.Schema {
	return oneOf(schoolbell.EventStatuses())
}
func (webhookValue) Schema(huma.Registry) *huma.Schema {
	return oneOf(append(schoolbell.WebhookTypes(), schoolbell.WebhookTest))
}
func (actorValue) Schema(huma.Registry) *huma.Schema    { return oneOf(schoolbell.ActorKinds()) }
func (jobStateValue) Schema(huma.Registry) *huma.Schema { return oneOf(jobStates) }
func (timeValue) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-11-23T08:30:00.000Z"}}
}

// jobStates are the states by which jobs are listed and cleaned.
var jobStates = []bullmq.State{bullmq.StateWaiting, bullmq.StateActive, bullmq.StateDelayed, bullmq.StatePrioritized,
	bullmq.StateWaitingChildren, bullmq.StateCompleted, bullmq.StateFailed, bullmq.StatePaused}

func oneOf[T ~string](values []T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// named is a value that the ledger knows, which may have more of them than this program.
func named(examples ...any) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Examples: examples}
}

func listValues(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Role](), reflect.TypeFor[roleValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Channel](), reflect.TypeFor[channelValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Category](), reflect.TypeFor[categoryValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Lane](), reflect.TypeFor[laneValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Mode](), reflect.TypeFor[modeValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Weekday](), reflect.TypeFor[weekdayValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.GroupKind](), reflect.TypeFor[kindValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.DeliveryStatus](), reflect.TypeFor[deliveryValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.Outcome](), reflect.TypeFor[outcomeValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.AddressState](), reflect.TypeFor[stateValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.EventStatus](), reflect.TypeFor[eventValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.ActorKind](), reflect.TypeFor[actorValue]())
	r.RegisterTypeAlias(reflect.TypeFor[schoolbell.WebhookType](), reflect.TypeFor[webhookValue]())
	r.RegisterTypeAlias(reflect.TypeFor[bullmq.State](), reflect.TypeFor[jobStateValue]())
	r.RegisterTypeAlias(reflect.TypeFor[wire.JobState](), reflect.TypeFor[jobStateValue]())
	r.RegisterTypeAlias(reflect.TypeFor[wire.Time](), reflect.TypeFor[timeValue]())
}
