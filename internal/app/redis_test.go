package app

import "testing"

func TestOldRedis(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.8.0": true, "5.0.14": true, "6.0.16": true, "6.2.0": false, "7.2.4": false, "8.0": false, "": false, "unknown": false, "10.0.0": false,
	} {
		if old(version) != want {
			t.Errorf("old(%q) is %v", version, !want)
		}
	}
}
