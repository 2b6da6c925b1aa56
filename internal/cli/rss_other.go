//go:build !unix

package cli

// maxRSS is 0: the system does not tell in the way of Unix.
func maxRSS() float64 { return 0 }
