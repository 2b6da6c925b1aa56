// Package bench measures the whole system and prints tables. `make bench` runs it;
// a plain `go test` runs only the short tests of the rig itself.
//
// BenchmarkSystem compares Schoolbell with the same system written plainly in Node
// (folder peer: BullMQ, nodemailer and pg, as many teams would write it) on one
// Redis, one PostgreSQL that syncs to disk, and Postfix's smtp-sink. Its parts are
// the list measures. The runs alternate, so that a machine that slows down slows all
// of them down, and the median counts. It reports what was measured and fails only
// when somebody was not reached or was reached twice, never because of a time.
//
// BenchmarkProfile shows where serve and a worker spend their time and memory.
package bench
