// Package auth tells who is calling: API keys of the school's apps and
// short-lived signed tokens of single users.
package auth
