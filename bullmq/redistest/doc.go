// Package redistest starts real Redis servers for tests: each test has its own on a free
// loopback port, and may kill, pause and restart it to see what its program does then.
//
//	func TestHandler(t *testing.T) {
//		rdb := redis.NewClient(&redis.Options{Addr: redistest.Addr(t)})
//		…
//	}
//
// Only test code may import it.
package redistest
