package testenv

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// Soak says how a test that breaks things at random is to run: SCHOOLBELL_SOAK is how
// long, short if it does not say, and SCHOOLBELL_SOAK_SEED repeats the choices of an
// earlier run. Both are logged.
func Soak(t testing.TB, short time.Duration) (length time.Duration, seed uint64) {
	t.Helper()
	length, seed = short, rand.Uint64()
	if text := os.Getenv("SCHOOLBELL_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SCHOOLBELL_SOAK: %v", err)
		}
	}
	if text := os.Getenv("SCHOOLBELL_SOAK_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("SCHOOLBELL_SOAK_SEED: %v", err)
		}
	}
	t.Logf("SCHOOLBELL_SOAK=%v SCHOOLBELL_SOAK_SEED=%d", length, seed)
	return length, seed
}
