package cli

import (
	"encoding/json"
	"fmt"
)

// printJSON writes v as one line for scripts.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// say writes a line of the result.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }
