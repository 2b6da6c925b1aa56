// Package live has what pages need to follow the server: parts of pages that all who follow them share, streams of
// server-sent events, and the sessions of those who follow.
package live
