// Package auth tells who is calling: API keys of the school's apps and
// short-lived signed tokens of single users.
//
// Of an API key only the SHA-256 digest is kept. A key is 32 random bytes, so a
// fast digest is enough and looking it up needs no constant-time comparison:
// nobody can steer the digest of a guess. A user token is not kept at all; it is
// checked by its signature under a secret that all processes on one ledger share.
package auth
