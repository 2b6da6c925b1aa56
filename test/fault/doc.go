// Package fault holds tests that break the system while it works, in the ways
// in which it breaks in life, and count what everybody got. Every fault strikes
// while the mail server of the test holds mails back, so that rows are claimed
// and unrecorded at that moment, by construction and not by luck.
package fault
