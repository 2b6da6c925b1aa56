package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is how often progress is told where there is no terminal.
const plainEvery = 2 * time.Second

// progress shows how far something is: a bar on a terminal, now and then a line
// elsewhere, nothing when quiet. It is for one goroutine.
type progress struct {
	w     io.Writer
	what  string
	bar   *progressbar.ProgressBar // nil where there is no terminal
	quiet bool
	told  time.Time
	total int
	done  int
}

func newProgress(w io.Writer, s style, what string, total int, quiet bool) *progress {
	p := &progress{w: w, what: what, quiet: quiet, total: total, told: time.Now()}
	if quiet || !isTerminal(w) {
		return p
	}
	theme := progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}
	p.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("  "+what),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionSetWidth(min(40, max(10, terminalWidth(w)-len(what)-45))),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("msg"),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionThrottle(65*time.Millisecond),
		progressbar.OptionUseANSICodes(s.colour),
		progressbar.OptionSetRenderBlankState(true),
	)
	return p
}

// set shows that done of total are done. The total may grow.
func (p *progress) set(done, total int) {
	if p.quiet {
		return
	}
	if p.bar != nil {
		if total != p.total {
			p.bar.ChangeMax(total)
		}
		_ = p.bar.Set(done) // a terminal that is gone is no reason to stop
	} else if done != p.done && time.Since(p.told) >= plainEvery {
		fmt.Fprintf(p.w, "  %s: %s of %s\n", p.what, number(done), number(total))
		p.told = time.Now()
	}
	p.done, p.total = done, total
}

// end leaves the last state standing.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.w)
	}
}

// abandon leaves the bar as it is, for what ended before its time.
func (p *progress) abandon() {
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.w)
	}
}
