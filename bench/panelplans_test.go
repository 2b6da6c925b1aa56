package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// A school that is large enough for the plans of a large one.
const (
	planPeople    = 20_000
	planScheduled = 6_000 // events
	planRows      = 1_000 // that one node of a plan may look at to make a page
)

// largerPlans are pages with a reason to look at more rows, and how many.
var largerPlans = map[string]int{
	"events with a text that none has": 2 * planScheduled, // no index finds a part of a text: all events are read
	"people with a name":               2 * planPeople,    // nor a part of a name
	"people with a name that none has": 2 * planPeople,
	"people with an address":           2 * planPeople,
	"person":                           5_000, // up to 1,000 of the newest events are looked at for what the person got
}

// No page reads more of PostgreSQL when the school is larger: no node of a plan looks at more than some rows.
func TestPanelPlans(t *testing.T) {
	t.Parallel()
	srv := startServersWith(t, testenv.PostgresOptions{Args: []string{"-c", "shared_preload_libraries=auto_explain",
		"-c", "auto_explain.log_analyze=on", "-c", "auto_explain.log_timing=off", "-c", "auto_explain.log_format=json"}})
	s := startSchoolbell(t, srv, setup{people: planPeople, workers: 1, sink: testenv.SMTPSink(t)})
	defer s.stop()
	fillPanel(t, srv, s, 3, 100)
	schedule(t, s, planScheduled)
	p := newPanelVisitor(t, s)
	execute(t, s.dsn, "VACUUM ANALYZE")
	execute(t, s.dsn, "ALTER SYSTEM SET auto_explain.log_min_duration = 0")
	// Tables are small here, so that to read all of one may cost less than to use its index. It would not in a large school.
	execute(t, s.dsn, "ALTER SYSTEM SET enable_seqscan = off")
	execute(t, s.dsn, "SELECT pg_reload_conf()")
	testenv.Eventually(t, time.Minute, func() bool {
		execute(t, s.dsn, "SELECT 'the plans are logged'")
		return strings.Contains(srv.postgres.Log(), "SELECT 'the plans are logged'")
	}, "PostgreSQL logs plans")
	for _, page := range p.pages(t) {
		before := len(srv.postgres.Log())
		p.visit(t, page.path, 1)
		plans := plansIn(t, srv.postgres.Log()[before:])
		may := max(planRows, largerPlans[page.name])
		for _, plan := range plans {
			if node := plan.Plan.largest(); node.rows() > may {
				t.Errorf("%s: %s looks at %d rows, more than %d, in\n%s", page.name, node, node.rows(), may, plan.Query)
			}
		}
	}
}

// plan is a statement and how PostgreSQL has carried it out.
type plan struct {
	Query string   `json:"Query Text"`
	Plan  planNode `json:"Plan"`
}

// planNode is a node of a plan, with what it did in all its loops.
type planNode struct {
	Type      string     `json:"Node Type"`
	Relation  string     `json:"Relation Name"`
	Index     string     `json:"Index Name"`
	Rows      float64    `json:"Actual Rows"` // of a loop
	Loops     float64    `json:"Actual Loops"`
	Filtered  float64    `json:"Rows Removed by Filter"` // of a loop
	Rechecked float64    `json:"Rows Removed by Index Recheck"`
	Plans     []planNode `json:"Plans"`
}

func (n planNode) String() string {
	return strings.TrimSpace(n.Type + " of " + n.Relation + " " + n.Index)
}

// rows are those that the node has looked at.
func (n planNode) rows() int { return int(n.Loops * (n.Rows + n.Filtered + n.Rechecked)) }

// largest returns the node that has looked at the most rows.
func (n planNode) largest() planNode {
	most := n
	for _, below := range n.Plans {
		if l := below.largest(); l.rows() > most.rows() {
			most = l
		}
	}
	return most
}

// plansIn reads the plans in a part of a log. Each begins on a line that ends in "plan:", and its own lines begin with a tab.
func plansIn(t *testing.T, log string) (plans []plan) {
	t.Helper()
	var text strings.Builder
	within := false
	for line := range strings.Lines(log + "\nend\n") {
		if within && strings.HasPrefix(line, "\t") {
			text.WriteString(line)
			continue
		}
		if within {
			var p plan
			if err := json.Unmarshal([]byte(text.String()), &p); err != nil {
				t.Fatalf("%v in the plan\n%s", err, text.String())
			}
			plans = append(plans, p)
			text.Reset()
		}
		within = strings.HasSuffix(strings.TrimSpace(line), "plan:")
	}
	return plans
}
