package panel

import (
	"testing"

	"schoolbell/internal/panel/site"
)

// Pages are parsed when they are made first, which a test must not leave to somebody who opens one.
func TestTemplates(t *testing.T) {
	t.Parallel()
	if err := site.CheckTemplates(); err != nil {
		t.Error(err)
	}
}
