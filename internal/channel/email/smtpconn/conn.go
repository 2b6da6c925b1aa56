package smtpconn

import (
	"bytes"
	"time"
)

// Envelope is whom a mail is from and to, bare addresses without line breaks.
type Envelope struct {
	From, To string
	UTF8     bool // an address is not ASCII; the server must take SMTPUTF8
}

// Begin writes a mail's envelope. It is sent by Flush or with the text before it.
// reset clears what a refused mail has left. Without PIPELINING it writes nothing yet.
func (c *Conn) Begin(e Envelope, reset bool) {
	if c.Pipelining {
		for _, l := range lines(reset) {
			c.out = e.append(c.out, l)
		}
	}
}

// line is one command of an envelope.
type line struct {
	verb  string
	stage Stage
	code  int // that the server must answer
}

var envelopeLines = []line{
	{"RSET", StageMail, 250},
	{"MAIL", StageMail, 250},
	{"RCPT", StageRcpt, 250},
	{"DATA", StageData, 354},
}

func lines(reset bool) []line {
	if reset {
		return envelopeLines
	}
	return envelopeLines[1:]
}

// taken reports whether code is what the server is to answer.
func (l line) taken(code int) bool {
	return code == l.code || l.stage == StageRcpt && code == 251
}

func (e Envelope) append(out []byte, l line) []byte {
	out = append(out, l.verb...)
	switch l.verb {
	case "MAIL":
		out = append(append(append(out, " FROM:<"...), e.From...), '>')
		if e.UTF8 {
			out = append(out, " SMTPUTF8"...)
		}
	case "RCPT":
		out = append(append(append(out, " TO:<"...), e.To...), '>')
	}
	return append(out, "\r\n"...)
}

// Envelope reads the answers to what Begin wrote with the same arguments, or, without PIPELINING,
// goes through it step by step. When it returns nil the server waits for the
// text. After an Error with a Reply the connection can go on with the next mail,
// whose Begin must reset; after any other it must be closed.
func (c *Conn) Envelope(e Envelope, reset bool) error {
	if !c.Pipelining {
		return c.stepwise(e, reset)
	}
	var refused *Error
	for _, l := range lines(reset) {
		r, err := c.read(l.stage)
		if err != nil {
			return prefer(refused, err)
		}
		switch {
		case l.stage == StageData && r.Code == 354 && refused != nil:
			// It wants a text for nobody; RFC 2920 §3.1 has us send an empty one.
			c.out = append(c.out, ".\r\n"...)
			if _, err := c.exchange(StageData); err != nil {
				return err
			}
		case l.taken(r.Code):
		case refused == nil:
			refused = turnedDown(l.stage, r)
		}
		if r.Code == 421 { // the server closes, whatever else was asked
			return refused
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

// prefer returns what the server said, if it said something before it went away.
func prefer(refused *Error, err error) error {
	if refused != nil {
		return refused
	}
	return err
}

func (c *Conn) stepwise(e Envelope, reset bool) error {
	for _, l := range lines(reset) {
		c.out = e.append(c.out, l)
		r, err := c.exchange(l.stage)
		switch {
		case err != nil:
			return err
		case !l.taken(r.Code):
			return turnedDown(l.stage, r)
		}
	}
	return nil
}

// turnedDown is the error for an answer that is not what was asked for.
func turnedDown(s Stage, r Reply) *Error {
	if r.Class() < 4 {
		return &Error{Stage: s, Err: errGarbled}
	}
	return &Error{Stage: s, Reply: &r}
}

// Text sends a mail's text, lines ended by CRLF, and with it the envelope of
// the next mail if it is not nil, as by Begin. An Error of StageText says that
// the mail's end did not leave; one of StageFinal that it may have.
func (c *Conn) Text(text []byte, next *Envelope) error {
	c.out = appendStuffed(c.out, text)
	end := len(c.out)
	if next != nil {
		c.Begin(*next, false)
	}
	if n, err := c.send(); err != nil {
		if n < end {
			return &Error{Stage: StageText, Err: err}
		}
		return &Error{Stage: StageFinal, Err: err}
	}
	return nil
}

// Final reads the answer to the mail whose text was sent. An Error without a Reply
// means that nobody knows whether the server took it.
func (c *Conn) Final() (Reply, error) {
	r, err := c.read(StageFinal)
	switch {
	case err != nil:
		return Reply{}, err
	case r.Class() == 2:
		return r, nil
	}
	return r, turnedDown(StageFinal, r)
}

// appendStuffed appends text with its dots doubled where they begin a line
// (RFC 5321 §4.5.2) and the dot that ends it.
func appendStuffed(out, text []byte) []byte {
	if bytes.HasPrefix(text, []byte(".")) {
		out = append(out, '.')
	}
	for {
		i := bytes.Index(text, []byte("\n."))
		if i < 0 {
			break
		}
		out = append(append(out, text[:i+2]...), '.')
		text = text[i+2:]
	}
	out = append(out, text...)
	if !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, "\r\n"...)
	}
	return append(out, ".\r\n"...)
}

// Flush sends what Begin wrote.
func (c *Conn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if _, err := c.send(); err != nil {
		return &Error{Stage: StageMail, Err: err}
	}
	return nil
}

// Quit takes leave and closes. It does not wait for an answer.
func (c *Conn) Quit() {
	c.wait(time.Second)
	_, _ = c.nc.Write([]byte("QUIT\r\n")) // politeness only
	_ = c.nc.Close()
}

// Close ends the connection at once.
func (c *Conn) Close() { _ = c.nc.Close() }

// Limit lets no wait end later than t; the zero time lifts the limit.
func (c *Conn) Limit(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	if !t.IsZero() {
		_ = c.nc.SetDeadline(t) // fails on a closed connection, which needs none
	}
}

func (c *Conn) wait(d time.Duration) {
	t := time.Now().Add(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.limit.IsZero() && t.After(c.limit) {
		t = c.limit
	}
	_ = c.nc.SetDeadline(t)
}

func (c *Conn) send() (n int, err error) {
	c.wait(c.opts.Answer)
	n, err = c.nc.Write(c.out)
	c.out = c.out[:0]
	return n, err
}

func (c *Conn) read(s Stage) (Reply, error) {
	if c.r.Buffered() == 0 {
		c.wait(c.opts.Answer)
	}
	r, err := readReply(c.r)
	if err != nil {
		return r, &Error{Stage: s, Err: err}
	}
	return r, nil
}

// exchange sends what is written and reads one answer.
func (c *Conn) exchange(s Stage) (Reply, error) {
	if _, err := c.send(); err != nil {
		return Reply{}, &Error{Stage: s, Err: err}
	}
	return c.read(s)
}

func (c *Conn) command(s Stage, code int, text string) (Reply, error) {
	c.out = append(append(c.out, text...), "\r\n"...)
	if _, err := c.send(); err != nil {
		return Reply{}, &Error{Stage: s, Err: err}
	}
	return c.expect(s, code)
}

func (c *Conn) expect(s Stage, code int) (Reply, error) {
	r, err := c.read(s)
	if err == nil && r.Code != code {
		err = &Error{Stage: s, Reply: &r}
	}
	return r, err
}
