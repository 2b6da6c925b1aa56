// Package health answers whether a process runs and whether everything it depends on
// works: the bodies of /livez and /readyz, the checks behind them, and the page that a
// worker serves.
package health
