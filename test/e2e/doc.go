// Package e2e holds tests of the whole system, as it is built and shipped: from
// an event posted over HTTP to every inbox row and every mail.
package e2e
