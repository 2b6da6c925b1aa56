// Package app puts the program together: it opens what the settings name (ledger, Redis,
// channels), builds the services on it and runs them. The commands, the demo and tests
// start the program through it. It prints nothing; errors carry the next step to take.
package app
