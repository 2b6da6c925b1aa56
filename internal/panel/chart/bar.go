package chart

import (
	"strconv"
	"strings"

	"schoolbell"
)

// Segment is a part of a bar: so many deliveries of a status.
type Segment struct {
	Status string // class and word
	Count  int
	X, W   string // percentages of the bar
	Hatch  bool
}

// barOrder are the statuses from good to bad.
var barOrder = []string{"acknowledged", "read", "delivered", "sent", "sending", "pending", "uncertain", "suppressed", "cancelled", "expired", "failed"}

// hatched statuses are told from others without their colour.
var hatched = map[string]bool{"uncertain": true, "suppressed": true, "cancelled": true, "expired": true}

// minWidth is how much of a bar a status has at least, in percent.
const minWidth = 0.9

// Bar shows how many deliveries have which status.
type Bar struct {
	Segments []Segment
	Label    string // the same as words
	Total    int
}

// NewBar returns the bar of counted deliveries. number writes one of them.
func NewBar(p schoolbell.ChannelProgress, number func(int) string) Bar {
	counts := map[string]int{
		"acknowledged": p.Acknowledged, "read": p.Read, "delivered": p.Delivered,
		"sent":    p.Sent + p.Uncertain - p.Acknowledged - p.Read - p.Delivered - p.Bounced - p.Complained - p.Uncertain,
		"pending": p.Pending, "uncertain": p.Uncertain, "suppressed": p.Suppressed, "cancelled": p.Cancelled, "expired": p.Expired,
		"failed": p.Failed + p.Bounced + p.Complained,
	}
	counts["sent"] = max(0, counts["sent"])
	b := Bar{Total: p.Total}
	var words []string
	var widths []float64
	sum := 0.0
	for _, status := range barOrder {
		if n := counts[status]; n > 0 {
			w := max(float64(n)*100/float64(max(1, p.Total)), minWidth)
			b.Segments, widths, sum = append(b.Segments, Segment{Status: status, Count: n, Hatch: hatched[status]}), append(widths, w), sum+w
			words = append(words, number(n)+" "+status)
		}
	}
	x := 0.0
	for i := range b.Segments {
		w := widths[i] * 100 / sum
		b.Segments[i].X, b.Segments[i].W = inPercent(x), inPercent(w)
		x += w
	}
	b.Label = strings.Join(words, ", ")
	return b
}

func inPercent(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + "%" }
