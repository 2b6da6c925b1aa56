// Package inbox is the in-app inbox: lists, reading, and a live stream of what arrives.
package inbox
