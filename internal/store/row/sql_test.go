package row

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestSQL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"status IN ({open})":               "status IN (0, 1)",
		"status = {sent} OR s={uncertain}": "status = 2 OR s=6",
		"channel IN ({outgoing})":          "channel IN (2, 3, 4)",
		"channel = {in_app}":               "channel = 1",
		"state = {user_live}":              "state = 0",
		"state <> {user_awaited}":          "state <> 2",
		"status = {event_completed}":       "status = 'completed'",
		"data = '{}' AND tags = '{1,2}'":   "data = '{}' AND tags = '{1,2}'",
		"category NOT IN ({mandatory})":    "category NOT IN ('attendance', 'urgent')",
		"THEN {no_address}":                "THEN 'no_address'",
		"THEN {opted_out}":                 "THEN 'opted_out'",
	} {
		if got := SQL(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestSQLKnowsEveryStatusAndChannel(t *testing.T) {
	t.Parallel()
	for _, s := range schoolbell.DeliveryStatuses() {
		SQL("{" + string(s) + "}")
	}
	for _, c := range schoolbell.Channels() {
		SQL("{" + string(c) + "}")
	}
}

func TestSQLPanicsOnAnUnknownName(t *testing.T) {
	t.Parallel()
	defer func() {
		if said, ok := recover().(string); !ok || !strings.Contains(said, "{posponed}") {
			t.Errorf("panics with %q, which does not say the name", said)
		}
	}()
	SQL("status = {posponed}")
}
