// Package interop proves, with the real BullMQ 5 and 6 from npm, that Go and Node
// programs share queues. It has tests only. Each runs once with either major, on
// a Redis of its own, beside a Node process (driver.mjs) that runs the pieces of
// Node code which stand in the test.
package interop
