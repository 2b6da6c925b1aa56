// Package fault holds tests that break the running system in realistic ways and count
// what everybody received. Each fault happens while the mail server of the test delays
// its replies, so that rows are certainly claimed and unrecorded at that moment.
package fault
