// Package docs tests the documents against the program: commands, settings, calls,
// log lines and outputs that the pages show are compared with the real ones.
//
// A block marked "sh run" is run in the order of its page, in one shell, with
// the built program. A block marked "output" after it is what it printed, except
// for ids, times and other values that differ from run to run. After a change
// of the program,
//
//	go test ./test/docs -update
//
// rewrites the tables of settings and commands, and the outputs. Read the difference before you
// commit it.
package docs
