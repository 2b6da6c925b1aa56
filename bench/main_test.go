package bench

import (
	"flag"
	"testing"

	"schoolbell/internal/testenv"
)

var (
	rounds = flag.Int("rounds", 3, "how often each measurement is made; the median counts")
	some   = flag.Int("users", 10_000, "people in the runs that are compared")
	many   = flag.Int("many", 100_000, "people in the run that looks at memory")
	posts  = flag.Int("posts", 300, "requests in a row whose latency is measured")
)

func TestMain(m *testing.M) { testenv.Main(m) }
