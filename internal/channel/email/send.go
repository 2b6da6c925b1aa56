package email

import (
	"context"
	"slices"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/channel/email/smtpconn"
)

// perConnection is how many messages of a batch are worth one more connection:
// with a few on each, the envelope of one travels with the text of another.
const perConnection = 4

// LaneSender sends the mail of one lane over the connections of an [SMTP].
type LaneSender struct {
	smtp *SMTP
	lane schoolbell.Lane
}

// Lane returns the sender of a lane. Normal email leaves a share of the connections to urgent
// mail, which may use all of them and does not wait behind normal email for a free one.
func (s *SMTP) Lane(lane schoolbell.Lane) LaneSender { return LaneSender{smtp: s, lane: lane} }

// Send offers each message to the server at most once and calls done exactly
// once for each, from several goroutines, before it returns. Once ctx ends,
// messages not yet offered are untried. A server that asks for rest, cannot be
// reached or does not let us in is told of once, as VerdictSlowDown of the
// message that met it (or several, when their answers crossed); the rest of msgs is untried.
func (l LaneSender) Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result)) {
	s := l.smtp
	b := &batch{msgs: msgs, done: done, empty: make(chan struct{})}
	var workers sync.WaitGroup
	for range min(s.cfg.Connections, (len(msgs)+perConnection-1)/perConnection) {
		workers.Go(func() { s.work(ctx, l.lane, b) })
	}
	workers.Wait()
	b.finish(ctx)
}

// work sends messages of b over one connection after the other, one at a time.
func (s *SMTP) work(ctx context.Context, lane schoolbell.Lane, b *batch) {
	if !s.slots.Take(ctx, lane, b.empty) {
		return
	}
	defer s.slots.Put(lane)
	if b.lacking() { // waiting for the same failure again helps nobody
		return
	}
	w := &worker{s: s, b: b, ctx: ctx}
	if _, ok := w.connect(false); !ok {
		return
	}
	defer w.leave()
	w.run()
}

// worker is one goroutine of a Send with its connection.
type worker struct {
	s    *SMTP
	b    *batch
	ctx  context.Context
	l    *pooledConn // nil when lost
	stop func() bool
}

// outgoing is a message on its way.
type outgoing struct {
	i        int
	envelope smtpconn.Envelope
	reset    bool // its envelope begins with RSET
	again    bool // its envelope was on a connection that went away
}

// connect gives w a connection. If there is none it notes and returns
// why, which is nothing when the end of ctx is all there is to it.
func (w *worker) connect(fresh bool) (lack schoolbell.Result, ok bool) {
	l, err := w.s.get(w.ctx, fresh)
	switch {
	case err == nil:
		w.use(l)
		return lack, true
	case w.ctx.Err() != nil:
		return lack, false
	}
	lack = refused(err)
	if lack.Down {
		w.s.complain(lack.Reason)
	}
	w.b.lacks(lack)
	return lack, false
}

func (w *worker) use(l *pooledConn) {
	w.l = l
	l.conn.Limit(time.Time{})
	w.stop = context.AfterFunc(w.ctx, func() { l.conn.Limit(time.Now().Add(stopGrace)) })
}

// leave gives the connection back, or up.
func (w *worker) leave() {
	if w.l == nil {
		return
	}
	if w.stop() {
		w.s.put(w.l)
	} else {
		w.l.conn.Close()
	}
	w.l = nil
}

func (w *worker) drop() {
	w.stop()
	w.l.conn.Close()
	w.l = nil
}

// run sends until nothing is left to do or no connection to do it with.
func (w *worker) run() {
	cur := w.begin()
	for cur != nil && w.l != nil {
		switch err := w.flushed(cur); {
		case err != nil:
			cur = w.turnedDown(cur, err)
		case w.b.quits(w.ctx):
			w.untried(cur)
			w.drop() // the server waits for the text
		default:
			cur = w.deliver(cur)
		}
	}
}

// begin takes the next message that can be a mail and writes its envelope.
func (w *worker) begin() *outgoing {
	if w.s.worn(w.l) && !w.renew() {
		return nil
	}
	cur := w.take()
	if cur != nil {
		w.l.conn.Begin(cur.envelope, cur.reset)
	}
	return cur
}

// take takes the next message that can be a mail, without writing anything.
func (w *worker) take() *outgoing {
	for {
		i, ok := w.b.take(w.ctx)
		if !ok {
			return nil
		}
		if cur := w.prepare(i); cur != nil {
			return cur
		}
	}
}

// prepare makes message i ready, or reports that it can never be sent.
func (w *worker) prepare(i int) *outgoing {
	m := &w.b.msgs[i]
	to, err := Recipient(m)
	cur := &outgoing{i: i, envelope: smtpconn.Envelope{From: w.s.returnPath(m), To: to}, reset: w.l.dirty}
	cur.envelope.UTF8 = !address.IsASCII(to) || !address.IsASCII(w.s.composer.sender)
	switch {
	case err != nil:
		w.b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: smtpconn.Cut(err.Error())})
		return nil
	case w.l.conn.MaxSize > 0 && int64(m.Text.Len()+m.HTML.Len()) > w.l.conn.MaxSize:
		w.b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the email is larger than the mail server accepts"})
		return nil
	case cur.envelope.UTF8 && !w.l.conn.UTF8:
		w.b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the mail server does not accept non-ASCII characters before the @ (SMTPUTF8)"})
		return nil
	}
	w.l.dirty = false
	w.l.emails++
	return cur
}

// returnPath returns the envelope sender of a message.
func (s *SMTP) returnPath(m *schoolbell.Message) string {
	if s.cfg.Bounces != nil {
		if a, ok := s.cfg.Bounces.Of(m.ID); ok {
			return a
		}
	}
	return s.composer.sender
}

// flushed sends the envelope if it has not left yet, and hears what the server says to it.
func (w *worker) flushed(cur *outgoing) error {
	if err := w.l.conn.Flush(); err != nil {
		return err
	}
	return w.l.conn.Envelope(cur.envelope, cur.reset)
}

// deliver sends the text of cur, whose envelope was taken, together with the
// envelope of the next, which it returns.
func (w *worker) deliver(cur *outgoing) *outgoing {
	c := w.l.conn
	if err := w.compose(cur); err != nil {
		w.b.done(cur.i, schoolbell.Result{Verdict: schoolbell.VerdictRetry, Reason: smtpconn.Cut(err.Error())})
		w.drop() // the server waits for the text
		return w.again(nil)
	}
	var next *outgoing
	var envelope *smtpconn.Envelope
	if c.Pipelining && !w.s.worn(w.l) {
		if next = w.take(); next != nil {
			envelope = &next.envelope
		}
	}
	err := c.Text(w.l.text, envelope)
	if err == nil {
		var r smtpconn.Reply
		if r, err = c.Final(); err == nil {
			w.b.done(cur.i, sent(r))
			return w.after(next)
		}
	}
	w.tell(cur, err)
	if !survives(err) {
		w.drop()
		return w.again(next)
	}
	return w.after(next)
}

// compose writes the text of cur, signed if the settings say so.
func (w *worker) compose(cur *outgoing) error {
	w.l.text = w.s.composer.Append(w.l.text[:0], &w.b.msgs[cur.i], cur.envelope.To, time.Now())
	if w.s.cfg.Signer == nil {
		return nil
	}
	signature, err := w.s.cfg.Signer.Header(w.l.text)
	if err == nil {
		w.l.text = slices.Insert(w.l.text, 0, []byte(signature)...)
	}
	return err
}

// after returns what to go on with when the connection is well.
func (w *worker) after(next *outgoing) *outgoing {
	if next == nil {
		return w.begin()
	}
	return next
}

func (w *worker) untried(cur *outgoing) {
	w.b.done(cur.i, schoolbell.Result{Verdict: schoolbell.VerdictUntried})
}

// turnedDown sees to a message whose envelope was not taken, and returns what to go on with.
func (w *worker) turnedDown(cur *outgoing, err error) *outgoing {
	if survives(err) {
		w.tell(cur, err)
		w.l.dirty = true
		return w.begin()
	}
	used := w.l.kept || w.l.emails > 1
	w.drop()
	if used && !cur.again || w.ctx.Err() != nil { // the text was not even shown
		return w.again(cur)
	}
	w.tell(cur, err)
	if !w.renew() {
		return nil
	}
	return w.begin()
}

// again restarts cur on a new connection.
func (w *worker) again(cur *outgoing) *outgoing {
	if cur == nil {
		if !w.renew() {
			return nil
		}
		return w.begin()
	}
	if w.b.quits(w.ctx) {
		w.untried(cur)
		return nil
	}
	if lack, ok := w.connect(true); !ok {
		if first := w.b.halt(); !first || lack.Verdict == "" {
			lack.Verdict = schoolbell.VerdictUntried
		}
		w.b.done(cur.i, lack)
		return nil
	}
	cur.again, cur.reset = true, false
	w.l.emails++
	w.l.conn.Begin(cur.envelope, false)
	return cur
}

// renew replaces the connection. It reports false if there is none.
func (w *worker) renew() bool {
	if w.l != nil {
		w.stop()
		w.l.conn.Quit()
		w.l = nil
	}
	if w.b.over(w.ctx) {
		return false
	}
	_, ok := w.connect(true)
	return ok
}

// tell reports what err means for cur.
func (w *worker) tell(cur *outgoing, err error) {
	res := refused(err)
	if res.Down {
		w.s.complain(res.Reason)
	}
	if res.Verdict == schoolbell.VerdictSlowDown {
		w.b.halt()
	}
	w.b.done(cur.i, res)
}

// survives tells whether the connection can go on after err.
func survives(err error) bool {
	e, ok := err.(*smtpconn.Error)
	return ok && e.Reply != nil && e.Reply.Code != 421
}
