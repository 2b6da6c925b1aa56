// Package chart draws how many messages were sent.
package chart

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Period is how far back the chart of messages looks.
type Period struct {
	ID, Name, Says string
	Unit           string // of the counts: Messages a minute
	Span, Step     time.Duration
	format         string // of the times below the chart
}

// Periods are those that people choose from.
var Periods = []Period{
	{"1h", "1 hour", "in the last hour", "a minute", time.Hour, time.Minute, "15:04"},
	{"24h", "24 hours", "in the last 24 hours", "in 15 minutes", 24 * time.Hour, 15 * time.Minute, "15:04"},
	{"30d", "30 days", "in the last 30 days", "in 6 hours", 30 * 24 * time.Hour, 6 * time.Hour, "2 Jan"},
}

// PeriodOf returns the period with an id, the first one if there is none.
func PeriodOf(id string) Period {
	for _, p := range Periods {
		if p.ID == id {
			return p
		}
	}
	return Periods[0]
}

// Traffic shows how many messages were sent, by channel, as areas on top of each other.
type Traffic struct {
	Period  Period
	Periods []Period
	Areas   []Area
	Top     string // of the scale
	Half    string
	Times   []string // below the chart
	Label   string
	Legend  []Key
	Data    string // JSON of the same, for a script
	Zone    string // of the school
}

// series is a channel in Traffic.Data.
type series struct {
	Name   string `json:"name"`
	Class  string `json:"class"`
	Counts []int  `json:"counts"`
}

// Area is the area of a channel.
type Area struct{ Class, D string }

// Key is a channel with its messages in the whole period.
type Key struct{ Class, Name, Count string }

const (
	width, height = 600.0, 160.0
	times         = 5
)

// Style is how a chart names what it shows.
type Style struct {
	Channels []schoolbell.Channel // that are shown also without messages
	Zone     *time.Location
	Name     func(c schoolbell.Channel) string
	Number   func(n int) string
	When     func(at time.Time) string
}

// New returns the chart of what happened from a time on.
func New(p Period, first time.Time, steps []ledger.TrafficStep, s Style) Traffic {
	n := int(p.Span / p.Step)
	sent := map[schoolbell.Channel][]int{}
	channels := slices.Clone(s.Channels)
	for _, step := range steps {
		i := int(step.From.Sub(first) / p.Step)
		if i < 0 || i >= n {
			continue
		}
		if sent[step.Channel] == nil {
			sent[step.Channel] = make([]int, n)
		}
		if sent[step.Channel][i] += step.Sent; !slices.Contains(channels, step.Channel) {
			channels = append(channels, step.Channel) // was set up before
		}
	}
	c := Traffic{Period: p, Periods: Periods, Zone: s.Zone.String()}
	sums, peak := make([]int, n), 0
	for _, counts := range sent {
		for i, count := range counts {
			sums[i] += count
		}
	}
	for i := range sums {
		if sums[i] > sums[peak] {
			peak = i
		}
	}
	top := roundUp(sums[peak])
	c.Top, c.Half = short(top), short(top/2)
	c.stack(channels, sent, n, float64(top), s)
	c.Data = dataOf(first, p.Step, n, channels, sent, s)
	for i := range times {
		at := first.Add(time.Duration(i) * (p.Span - p.Step) / (times - 1))
		c.Times = append(c.Times, at.In(s.Zone).Format(p.format))
	}
	c.Label = fmt.Sprintf("Messages %s by channel %s. ", p.Unit, p.Says)
	if sums[peak] == 0 {
		c.Label += "There were none."
	} else {
		c.Label += "Highest: " + s.Number(sums[peak]) + ", " + s.When(first.Add(time.Duration(peak)*p.Step)) + "."
	}
	return c
}

// stack makes the areas of the channels, each on top of those before it, and their keys.
func (c *Traffic) stack(channels []schoolbell.Channel, sent map[schoolbell.Channel][]int, n int, top float64, s Style) {
	below := make([]int, n)
	for _, channel := range channels {
		class, total := classOf(channel), 0
		if counts := sent[channel]; counts != nil {
			above := make([]int, n)
			for i := range above {
				above[i] = below[i] + counts[i]
				total += counts[i]
			}
			c.Areas = append(c.Areas, Area{class, areaPath(above, below, top)})
			below = above
		}
		c.Legend = append(c.Legend, Key{class, s.Name(channel), s.Number(total)})
	}
}

// dataOf is what a script draws.
func dataOf(first time.Time, step time.Duration, n int, channels []schoolbell.Channel, sent map[schoolbell.Channel][]int, s Style) string {
	data := struct {
		Times  []int64  `json:"times"`
		Series []series `json:"series"`
	}{Times: make([]int64, n), Series: []series{}}
	for i := range n {
		data.Times[i] = first.Add(time.Duration(i) * step).Unix()
	}
	for _, channel := range channels {
		if counts := sent[channel]; counts != nil {
			data.Series = append(data.Series, series{s.Name(channel), classOf(channel), counts})
		}
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "" // numbers and names can always be written
	}
	return string(text)
}

// areaPath is the outline of the area between two lines.
func areaPath(above, below []int, top float64) string {
	var b strings.Builder
	point := func(i, count int) {
		command := "L"
		if b.Len() == 0 {
			command = "M"
		}
		x := float64(i) * width / float64(len(above)-1)
		y := height - float64(count)*height/top
		b.WriteString(command + strconv.FormatFloat(x, 'f', 1, 64) + " " + strconv.FormatFloat(y, 'f', 1, 64))
	}
	for i, count := range above {
		point(i, count)
	}
	for i, count := range slices.Backward(below) {
		point(i, count)
	}
	return b.String() + "Z"
}

// classOf names the colour of a channel.
func classOf(c schoolbell.Channel) string {
	switch c {
	case schoolbell.ChannelInApp, schoolbell.ChannelEmail, schoolbell.ChannelSMS, schoolbell.ChannelPush:
		return string(c)
	}
	return "other"
}

// roundUp returns the next of 10, 20, 50, 100, 200, 500 and so on.
func roundUp(n int) int {
	for top := 10; ; top *= 10 {
		for _, m := range []int{1, 2, 5} {
			if n <= top*m {
				return top * m
			}
		}
	}
}

// short writes a number of a scale: 500, 12k, 1.5M.
func short(n int) string {
	for _, unit := range []struct {
		size int
		sign string
	}{{1_000_000, "M"}, {1_000, "k"}} {
		if n >= unit.size {
			return strconv.FormatFloat(float64(n)/float64(unit.size), 'f', -1, 64) + unit.sign
		}
	}
	return strconv.Itoa(n)
}
