// Package push sends messages to browsers by Web Push: [New].
//
// A message is one request to the push service of a browser, which the browser's subscription names (RFC 8030). It is
// encrypted for the browser (RFC 8291) and says who sends it (RFC 8292).
//
// Endpoints are chosen by users. So only the push services of the settings are used, and only public addresses are dialled.
// One push service that does not work must not stop the others: messages to it wait while the others are sent.
//
// An endpoint is a secret: it is in no log line, no error and no reason.
package push
