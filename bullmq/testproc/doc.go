// Package testproc runs real servers and other programs as child processes of a test.
// Only test code may import it.
//
// Programs listen on loopback ports that no other test uses ([FreePort], [ReservePort]).
// On Linux the kernel ends them when the test process dies; elsewhere only the test's own
// cleanup does. When a program is not installed, [Missing] skips the test, and [Main]
// lists at the end what was skipped. With CI=true in the environment the test fails
// instead. [Main] also fails a package whose tests leave goroutines behind.
//
// All functions may be called from parallel tests.
package testproc
