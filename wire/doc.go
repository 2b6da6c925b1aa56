// Package wire has the bodies of the HTTP API: what the server and the client write as JSON.
//
// Where a body shows something of package schoolbell, the conversion stands beside it.
// Tags such as doc and maxItems describe fields in the server's OpenAPI document, and
// the server enforces them. They mean nothing to clients.
package wire
