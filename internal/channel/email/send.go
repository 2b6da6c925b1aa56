package email

import (
	"context"
	"sync"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/email/smtpconn"
)

// perConnection is how many messages of a batch are worth one more connection:
// with a few on each, the envelope of one travels with the text of another.
const perConnection = 4

// Send offers each message to the server at most once and calls done exactly
// once for each, from several goroutines, before it returns. Once ctx ends, or
// the server asks for rest, messages not yet offered are untried.
func (s *SMTP) Send(ctx context.Context, msgs []schoolbell.Message, done func(i int, r schoolbell.Result)) {
	b := &batch{msgs: msgs, done: done, empty: make(chan struct{})}
	var workers sync.WaitGroup
	for range min(s.cfg.Connections, (len(msgs)+perConnection-1)/perConnection) {
		workers.Go(func() { s.work(ctx, b) })
	}
	workers.Wait()
	b.finish()
}

// batch is one call of Send.
type batch struct {
	msgs  []schoolbell.Message
	done  func(int, schoolbell.Result)
	empty chan struct{} // closed when no message is left to begin

	mu     sync.Mutex
	next   int
	stop   bool              // nothing more is begun
	halted bool              // because the server wants rest
	rest   schoolbell.Result // of the messages never begun
}

// take returns the next message to begin, or false.
func (b *batch) take(ctx context.Context) (i int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop || b.next == len(b.msgs) || ctx.Err() != nil {
		if !b.stop {
			b.stop = true
			close(b.empty)
		}
		return 0, false
	}
	b.next++
	return b.next - 1, true
}

// halt leaves the messages not begun alone.
func (b *batch) halt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.halted = true
	if !b.stop {
		b.stop = true
		close(b.empty)
	}
}

// over reports whether nothing is to be begun any more.
func (b *batch) over(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stop || b.next == len(b.msgs) || ctx.Err() != nil
}

// quits reports whether even a message whose envelope has left is to be left alone.
func (b *batch) quits(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.halted || ctx.Err() != nil
}

// fail notes what the messages that no connection was found for are told.
func (b *batch) fail(r schoolbell.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest = r
}

// finish reports the messages that no worker began.
func (b *batch) finish() {
	r := b.rest
	if r.Verdict == "" || b.stop {
		r = schoolbell.Result{Verdict: schoolbell.VerdictUntried, Reason: r.Reason}
	}
	for ; b.next < len(b.msgs); b.next++ {
		b.done(b.next, r)
		if r.Verdict == schoolbell.VerdictSlowDown { // said once; the others were never offered
			r.Verdict = schoolbell.VerdictUntried
		}
	}
}

// work sends messages of b over one connection after the other, one at a time.
func (s *SMTP) work(ctx context.Context, b *batch) {
	select {
	case s.slots <- struct{}{}:
	case <-b.empty:
		return
	case <-ctx.Done():
		return
	}
	defer func() { <-s.slots }()
	l, err := s.get(ctx, false)
	if err != nil {
		res, broken := refused(err)
		if ctx.Err() != nil {
			return
		}
		if broken {
			s.complain(res.Reason)
		}
		b.fail(res)
		return
	}
	w := &worker{s: s, b: b, ctx: ctx}
	w.use(l)
	defer w.leave()
	w.run()
}

// worker is one goroutine of a Send with its connection.
type worker struct {
	s    *SMTP
	b    *batch
	ctx  context.Context
	l    *link // nil when lost
	stop func() bool
	text []byte
}

// letter is a message on its way.
type letter struct {
	i        int
	envelope smtpconn.Envelope
	reset    bool // its envelope begins with RSET
	again    bool // its envelope was on a connection that went away
}

func (w *worker) use(l *link) {
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
func (w *worker) begin() *letter {
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
func (w *worker) take() *letter {
	for {
		i, ok := w.b.take(w.ctx)
		if !ok {
			return nil
		}
		if cur := w.letter(i); cur != nil {
			return cur
		}
	}
}

// letter makes message i ready, or reports that it can never be sent.
func (w *worker) letter(i int) *letter {
	m := &w.b.msgs[i]
	err := check(m)
	cur := &letter{i: i, envelope: smtpconn.Envelope{From: w.s.composer.sender, To: m.To}, reset: w.l.dirty}
	cur.envelope.UTF8 = !isPlain(m.To) || !isPlain(w.s.composer.sender)
	switch {
	case err != nil:
		w.b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: smtpconn.Cut(err.Error())})
		return nil
	case w.l.conn.MaxSize > 0 && int64(len(m.Text)+len(m.HTML)) > w.l.conn.MaxSize:
		w.b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the mail is larger than the mail server takes"})
		return nil
	case cur.envelope.UTF8 && !w.l.conn.UTF8:
		w.b.done(i, schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: "the mail server does not take addresses beyond ASCII (SMTPUTF8)"})
		return nil
	}
	w.l.dirty = false
	w.l.mails++
	return cur
}

// flushed sends the envelope if it has not left yet, and hears what the server says to it.
func (w *worker) flushed(cur *letter) error {
	if err := w.l.conn.Flush(); err != nil {
		return err
	}
	return w.l.conn.Envelope(cur.envelope, cur.reset)
}

// deliver sends the text of cur, whose envelope was taken, together with the
// envelope of the next, which it returns.
func (w *worker) deliver(cur *letter) *letter {
	c := w.l.conn
	w.text = w.s.composer.append(w.text[:0], &w.b.msgs[cur.i], time.Now())
	var next *letter
	var envelope *smtpconn.Envelope
	if c.Pipelining && !w.s.worn(w.l) {
		if next = w.take(); next != nil {
			envelope = &next.envelope
		}
	}
	err := c.Text(w.text, envelope)
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

// after returns what to go on with when the connection is well.
func (w *worker) after(next *letter) *letter {
	if next == nil {
		return w.begin()
	}
	return next
}

func (w *worker) untried(cur *letter) {
	w.b.done(cur.i, schoolbell.Result{Verdict: schoolbell.VerdictUntried})
}

// turnedDown sees to a message whose envelope was not taken, and returns what to go on with.
func (w *worker) turnedDown(cur *letter, err error) *letter {
	if survives(err) {
		w.tell(cur, err)
		w.l.dirty = true
		return w.begin()
	}
	used := w.l.mails > 1
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

// again begins cur anew on a new connection.
func (w *worker) again(cur *letter) *letter {
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
	l, err := w.s.get(w.ctx, true)
	if err != nil {
		if w.ctx.Err() != nil {
			w.untried(cur)
			return nil
		}
		w.tell(cur, err)
		res, _ := refused(err)
		w.b.fail(res)
		return nil
	}
	w.use(l)
	cur.again, cur.reset = true, false
	l.mails++
	l.conn.Begin(cur.envelope, false)
	return cur
}

// renew replaces the connection. It reports false when there is none to be had.
func (w *worker) renew() bool {
	if w.l != nil {
		w.stop()
		w.l.conn.Quit()
		w.l = nil
	}
	if w.b.over(w.ctx) {
		return false
	}
	l, err := w.s.get(w.ctx, true)
	if err != nil {
		if w.ctx.Err() == nil {
			res, broken := refused(err)
			if broken {
				w.s.complain(res.Reason)
			}
			w.b.fail(res)
		}
		return false
	}
	w.use(l)
	return true
}

// tell reports what err means for cur.
func (w *worker) tell(cur *letter, err error) {
	res, broken := refused(err)
	if broken {
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
