package row

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestSQL(t *testing.T) {
	t.Parallel()
	t.Run("names are replaced by their values", testSQLNames)
	t.Run("every status, outcome and state has a name", testSQLKnownNames)
	t.Run("an unknown name panics", testSQLUnknownName)
}

func testSQLNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"status IN ({open})":               "status IN (0, 1)",
		"status = {sent} OR s={uncertain}": "status = 2 OR s=5",
		"outcome < {outcome_bounced}":      "outcome < 2",
		"state IN ({usable})":              "state IN (0, 1)",
		"state = {address_bounced}":        "state = 2",
		"mode = {off}":                     "mode = 'off'",
		"channel = {in_app}":               "channel = 1",
		"state = {user_live}":              "state = 0",
		"state <> {user_awaited}":          "state <> 2",
		"status = {event_completed}":       "status = 'completed'",
		"data = '{}' AND tags = '{1,2}'":   "data = '{}' AND tags = '{1,2}'",
		"THEN {no_address}":                "THEN 'no_address'",
		"THEN {opted_out}":                 "THEN 'opted_out'",
	} {
		if got := SQL(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func testSQLKnownNames(t *testing.T) {
	t.Parallel()
	for _, s := range schoolbell.DeliveryStatuses() {
		SQL("{" + string(s) + "}")
	}
	for _, o := range schoolbell.Outcomes() {
		SQL("{outcome_" + string(o) + "}")
	}
	for _, s := range schoolbell.AddressStates() {
		SQL("{address_" + string(s) + "}")
	}
}

func testSQLUnknownName(t *testing.T) {
	t.Parallel()
	defer func() {
		if said, ok := recover().(string); !ok || !strings.Contains(said, "{posponed}") {
			t.Errorf("panics with %q, which does not say the name", said)
		}
	}()
	SQL("status = {posponed}")
}
