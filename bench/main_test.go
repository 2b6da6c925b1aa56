package bench

import (
	"flag"
	"testing"

	"schoolbell/internal/testenv"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each measurement is made; the median counts")
	people   = flag.String("people", "1 100 1000 10000 100000", "sizes of the schools in which one event goes to everybody; 1000000 is measured once")
	peerMost = flag.Int("peer-most", 100_000, "largest school in which the Node system is measured too")
	events   = flag.Int("events", 1_000, "events that go to one person each")
	posts    = flag.Int("posts", 300, "requests in a row whose latency is measured")
	some     = flag.Int("users", 10_000, "people in the runs of two working trees, in the demo and in the profiled run")
	imports  = flag.Int("imports", 200_000, "people in an imported file")
	against  = flag.String("against", "", "folder of another working tree, which is compared with this one")
	profiles = flag.String("profiles", "", "folder for the profiles of BenchmarkProfile")
	kind     = flag.String("kind", "plain", "event of the profiled run: plain, or personal with template, preferences and personal text")

	jobs  = flag.Int("jobs", 20_000, "jobs of a measurement of the queue libraries")
	idles = flag.Int("idles", 30, "jobs added one by one to an idle worker")
)

func TestMain(m *testing.M) { testenv.Main(m) }
