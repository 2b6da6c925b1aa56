package testenv

import (
	"os"
	"strings"
	"testing"
)

func TestCPUTime(t *testing.T) {
	t.Run("grows while the process computes", func(t *testing.T) {
		for before := CPUTime(t, os.Getpid()); CPUTime(t, os.Getpid()) == before; {
			_ = strings.Repeat("x", 1<<16)
		}
	})
}
