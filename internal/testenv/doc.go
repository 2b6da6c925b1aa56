// Package testenv gives tests the real things they need: a throwaway Redis, a
// throwaway PostgreSQL, an SMTP sink, Node, Chromium and our own binary. Only
// test files may import it.
//
// Servers listen on loopback only, keep their files in a temporary folder and
// end with the test; if the test process dies, the kernel ends them (on Linux)
// and the next run sweeps what they left. Each function may be called from
// parallel tests.
//
// When a program is not installed the test is skipped with a line that says what
// is missing and how to get it, and [Main] repeats these lines at the end. With
// CI=true in the environment the test fails instead, so that nothing is left out
// unseen.
package testenv
