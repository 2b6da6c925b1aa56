// Package inbox is the in-app inbox: lists, reading, a live stream of what arrives, and calendar feeds of what has a time.
//
// Items have a position that grows with arrival over the whole ledger and becomes
// visible in its own order. The stream rests on that alone: a subscriber is at one
// position, everything above it is still to come, so that nothing is lost or seen
// twice, whichever process wrote the item and however often the reader comes back.
package inbox
