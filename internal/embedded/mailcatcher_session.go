package embedded

import (
	"bytes"
	"crypto/subtle"
	"io"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is one connection's talk with the catcher.
type session struct {
	catcher *MailCatcher
	conn    *smtp.Conn
	authed  bool
	from    string
	to      []string
}

func (c *MailCatcher) newSession(conn *smtp.Conn) (smtp.Session, error) {
	s := &session{catcher: c, conn: conn, authed: c.opts.Username == ""}
	if s.authed {
		return s, nil
	}
	return &authSession{session: s}, nil
}

func (s *session) Reset() { s.from, s.to = "", s.to[:0] }

func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.authed {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if err := s.catcher.faults.Load().onMail(from); err != nil {
		return err
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.catcher.faults.Load().onRcpt(to, s.cut); err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

// bodies holds buffers for emails on their way in.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s *session) Data(r io.Reader) error {
	buf := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(buf)
	buf.Reset()
	incoming := &incomingMail{from: r, catcher: s.catcher}
	defer incoming.done()
	if c, ok := s.conn.Conn().(*conn); ok {
		if err := c.readLines(func(line []byte) error { return incoming.add(buf, line) }); err != nil {
			return err
		}
	}
	if _, err := buf.ReadFrom(incoming); err != nil { // what remains, often only the end
		return err
	}
	if buf.Len() > maxMessageBytes {
		return smtp.ErrDataTooLarge
	}
	accept := func() {
		s.catcher.book.add(CaughtMail{At: time.Now().UTC().Truncate(time.Millisecond), From: s.from, To: s.to, Raw: buf.Bytes()})
	}
	f := s.catcher.faults.Load()
	if f == nil {
		accept()
		return nil
	}
	return f.onData(s.to, accept, s.cut)
}

// incomingMail counts the bytes of a mail while it is read, with those of all others.
type incomingMail struct {
	from    io.Reader
	catcher *MailCatcher
	n       int64
}

func (m *incomingMail) Read(b []byte) (int, error) {
	n, err := m.from.Read(b[:min(len(b), 64<<10)]) // it fills b before it returns
	if err := m.count(n); err != nil {
		return 0, err
	}
	return n, err
}

// add adds a line of the mail to buf.
func (m *incomingMail) add(buf *bytes.Buffer, line []byte) error {
	if buf.Len()+len(line) > maxMessageBytes {
		return smtp.ErrDataTooLarge
	}
	buf.Write(line)
	return m.count(len(line))
}

func (m *incomingMail) count(n int) error {
	m.n += int64(n)
	if m.catcher.incoming.Add(int64(n)) > maxIncomingBytes {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "Too much mail at once"}
	}
	return nil
}

func (m *incomingMail) done() { m.catcher.incoming.Add(-m.n) }

// cut takes the connection away in the middle of things.
func (s *session) cut() { _ = s.conn.Conn().Close() }

// authSession is a session with a catcher that wants credentials.
type authSession struct{ *session }

func (*authSession) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

func (s *authSession) Auth(mech string) (sasl.Server, error) {
	check := func(username, password string) error {
		o := s.catcher.opts
		if subtle.ConstantTimeCompare([]byte(username), []byte(o.Username))&
			subtle.ConstantTimeCompare([]byte(password), []byte(o.Password)) == 0 {
			return smtp.ErrAuthFailed
		}
		s.authed = true
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, username, password string) error { return check(username, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// loginServer is the server's side of AUTH LOGIN.
type loginServer struct {
	check  func(username, password string) error
	answer []string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.answer = append(l.answer, string(response))
	}
	questions := []string{"Username:", "Password:"}
	if n := len(l.answer); n < len(questions) {
		return []byte(questions[n]), false, nil
	}
	return nil, true, l.check(l.answer[0], l.answer[1])
}
