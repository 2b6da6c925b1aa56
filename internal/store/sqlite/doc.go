// Package sqlite keeps the ledger in a SQLite file.
//
// A DB is the connection. The small types over it, such as Events and People, each
// implement one interface of the parts of the program that use the ledger; package
// store puts them together.
//
// The driver is modernc.org/sqlite: SQLite's own C code translated to Go, so the
// binary stays a single static one that cross-compiles, at a bit more than half
// the speed of the C library. That is far more than the pipeline asks for.
//
// One connection writes, guarded by a semaphore, and a few others read beside it
// (WAL). Claims and records that wait for their turn are committed together, each
// in a savepoint: a commit waits for the disk, and one wait does for all of them.
// Writing transactions are BEGIN IMMEDIATE, so that several processes on one file
// take turns and never find at commit that they read something old.
//
// synchronous=FULL: what was committed survives a power cut. Pragmas are in the
// DSN and so hold for every connection. The database's clock is the machine's, as
// SQLite reads it.
package sqlite
