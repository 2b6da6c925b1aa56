package bench

import (
	"flag"
	"testing"

	"schoolbell/internal/testenv"
)

var (
	rounds  = flag.Int("rounds", 3, "how often each measurement is made; the median counts")
	some    = flag.Int("users", 10_000, "people in the runs that are compared")
	many    = flag.Int("many", 100_000, "people in the run that looks at memory")
	jobs    = flag.Int("jobs", 20_000, "jobs of a measurement of the queue libraries")
	idles   = flag.Int("idles", 30, "jobs added one by one to an idle worker")
	against = flag.String("against", "", "folder of another working tree, whose queue library is compared with this one's")

	posts = flag.Int("posts", 300, "requests in a row whose latency is measured")
)

func TestMain(m *testing.M) { testenv.Main(m) }
