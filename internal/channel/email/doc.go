// Package email sends messages as mail through an SMTP server: [NewSMTP].
//
// Connections are kept and shared by all batches. A message is tried once; what
// the server says becomes a verdict (see verdict.go), and a connection that was
// lost before a message's text left costs nothing but a new connection. A server
// that cannot be used at all is nobody's failed try: the channel rests.
package email
