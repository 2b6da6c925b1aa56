package embedded

import (
	"time"

	"github.com/emersion/go-smtp"
)

// Cut says where a connection breaks.
type Cut int

const (
	CutNone         Cut = iota
	CutAtRcpt           // instead of the reply to RCPT
	CutBeforeAccept     // after the final dot: the mail is lost, and so is the reply
	CutAfterAccept      // after the final dot: the mail is taken, but the reply is lost
)

// Reply is an SMTP reply that says no. The zero Reply is none.
type Reply struct {
	Code     int    // such as 451
	Enhanced [3]int // such as {4, 3, 2}; zero for x.0.0
	Text     string
}

func (r Reply) err() error {
	if r.Code == 0 {
		return nil
	}
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: r.Enhanced, Message: r.Text}
}

// Faults says how a catcher misbehaves, for tests and drills. Functions that are
// nil do nothing; they are called by many goroutines at once.
type Faults struct {
	Mail  func(from string) Reply       // refuses a sender
	Rcpt  func(to string) Reply         // refuses a recipient
	Data  func(to string) Reply         // refuses the mail after its final dot; asked for the first recipient
	Cut   func(to string) Cut           // breaks the connection; asked for each recipient, then for the first one
	Delay func(to string) time.Duration // lets the reply to the final dot wait
}

// SetFaults makes the catcher misbehave from now on; nil makes it well again.
func (c *MailCatcher) SetFaults(f *Faults) { c.faults.Store(f) }

func (f *Faults) onMail(from string) error {
	if f == nil || f.Mail == nil {
		return nil
	}
	return f.Mail(from).err()
}

func (f *Faults) onRcpt(to string, cut func()) error {
	if f == nil {
		return nil
	}
	if f.cutFor(to) == CutAtRcpt {
		cut()
	}
	if f.Rcpt == nil {
		return nil
	}
	return f.Rcpt(to).err()
}

func (f *Faults) onData(to []string, accept, cut func()) error {
	first := to[0] // there is one, or the server would have refused DATA
	if f.Delay != nil {
		time.Sleep(f.Delay(first))
	}
	switch f.cutFor(first) {
	case CutBeforeAccept:
		cut()
		return nil
	case CutAfterAccept:
		accept()
		cut()
		return nil
	}
	if f.Data != nil {
		if err := f.Data(first).err(); err != nil {
			return err
		}
	}
	accept()
	return nil
}

func (f *Faults) cutFor(to string) Cut {
	if f.Cut == nil {
		return CutNone
	}
	return f.Cut(to)
}
