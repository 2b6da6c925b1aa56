package cli

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"

	"schoolbell/internal/config"
)

// newLogger returns the logger that the settings ask for; it writes to w. Records may
// quote other programs and people: what a terminal could obey is escaped in both formats.
func newLogger(w io.Writer, g config.General) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.LogLevel)); err != nil {
		panic(fmt.Sprintf("cli: the log level was checked before: %v", err))
	}
	o := &slog.HandlerOptions{Level: level}
	if g.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(printableWriter{w}, o))
	}
	return slog.New(slog.NewTextHandler(w, o)) // quotes and escapes what cannot be printed
}

// printableWriter escapes the hidden characters of each line of JSON that it is
// given: slog escapes controls of ASCII only.
type printableWriter struct{ w io.Writer }

func (p printableWriter) Write(line []byte) (int, error) {
	text, end := bytes.CutSuffix(line, []byte("\n"))
	if bytes.ContainsFunc(text, isHidden) {
		safe := []byte(printableLine(string(text)))
		if end {
			safe = append(safe, '\n')
		}
		if _, err := p.w.Write(safe); err != nil {
			return 0, err
		}
		return len(line), nil
	}
	return p.w.Write(line)
}
