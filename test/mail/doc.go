// Package mail holds tests of emails with programs that are not ours: a verifier of DKIM and a MIME parser, both from npm.
package mail
