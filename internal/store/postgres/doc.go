// Package postgres keeps the ledger in PostgreSQL, through pgx's own interface
// and pool.
//
// A DB is the connection. The small types over it, such as Events and People, each
// implement one interface of the parts of the program that use the ledger; package
// store puts them together.
//
// Transactions are READ COMMITTED and take the locks they need by hand, each
// reason beside its statement:
//
//   - fan-out, cancel, retry and finish of one event take turns on its row;
//   - a claim locks its delivery rows and skips those that others have locked;
//   - leases that have ended are deleted before another worker claims their rows, because
//     a delete waits for or passes by a renewal under way, and a look would not;
//   - changes of people and groups take turns on an advisory lock;
//   - inbox positions are drawn under an advisory lock held until commit, so that
//     they become visible in their own order.
//
// A transaction that lost against a concurrent one (serialization failure, deadlock) is
// run again a few times. All clocks are clock_timestamp() of the server.
//
// Each statement stands below the method that runs it, as a constant, or as a variable
// if row.SQL writes numbers into it for {names} of statuses and channels. A statement
// with more than three parameters names them: @event takes named["event"].
package postgres
