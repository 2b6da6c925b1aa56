// Package smtpconn is the client's side of one SMTP connection (RFC 5321), made
// for sending many emails over it: with PIPELINING (RFC 2920) a mail's envelope
// goes out in one packet, and together with the text of the mail before it, so
// that a distant server costs one round trip a mail instead of four. Of the
// libraries at hand none pipelines.
//
// It moves bytes and reads answers. What an answer means for a message, and
// its caller decides when to reconnect.
package smtpconn
