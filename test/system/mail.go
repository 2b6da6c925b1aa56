package system

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell/internal/embedded"
)

// Mail is the mail server of a test. It takes every mail, remembers each one's
// Message-ID, recipient and time, and holds emails back when told to.
type Mail struct {
	t       testing.TB
	catcher *embedded.MailCatcher

	mu       sync.Mutex
	letters  map[string][]Letter // by event
	reached  map[string]bool     // people
	passing  int                 // emails to be taken before the others are held; below zero: all
	held     map[string]bool     // addresses of the emails held
	released chan struct{}       // closed by Release
	slow     time.Duration       // for which every mail waits for its answer
	refused  map[string]int      // reply codes by address
	lossy    int                 // of so many emails one loses its connection; 0 for none
	arrived  int
}

// NewMail starts a mail server that ends with the test.
func NewMail(t testing.TB) *Mail { t.Helper(); return NewMailKeeping(t, 20) }

// NewMailKeeping is NewMail for a server that keeps the text of the newest n emails.
func NewMailKeeping(t testing.TB, n int) *Mail {
	t.Helper()
	m := &Mail{t: t, passing: -1, released: make(chan struct{}), refused: map[string]int{}, held: map[string]bool{}, letters: map[string][]Letter{}, reached: map[string]bool{}}
	c, err := embedded.NewMailCatcher(embedded.MailCatcherOptions{KeepBodies: n, Taken: m.note})
	if err != nil {
		t.Fatal(err)
	}
	m.catcher = c
	c.SetFaults(&embedded.Faults{Delay: m.gate, Rcpt: m.reply, Cut: m.cut})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- c.Run(ctx) }()
	t.Cleanup(func() {
		m.Release()
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("mail server: %v", err)
		}
	})
	return m
}

// Addr is where it listens, "127.0.0.1:port".
func (m *Mail) Addr() string { return m.catcher.Addr() }

// Accepted is how many emails were taken so far.
func (m *Mail) Accepted() int { return m.catcher.Accepted() }

// HoldAfter has the next n emails taken and every further one held: its text has
// arrived, its sender waits for the answer. What is held is taken at Release,
// whether its sender still lives or not.
func (m *Mail) HoldAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passing = n
}

// Held is how many people have an email that is held this moment.
func (m *Mail) Held() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.held)
}

// holds tells whether the next mail will be held.
func (m *Mail) holds() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.passing == 0
}

// heldOf are those of people whose mail is held this moment.
func (m *Mail) heldOf(people []string) (held []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range people {
		if m.held[id+"@"+peopleDomain] {
			held = append(held, id)
		}
	}
	return held
}

// Release takes the emails held and holds no more.
func (m *Mail) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passing = -1
	clear(m.held)
	close(m.released)
	m.released = make(chan struct{})
}

// Slow has every mail wait for its answer from now on.
func (m *Mail) Slow(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slow = d
}

// MailboxFull is a reply code of which the text says that the mailbox is full.
const MailboxFull = 554

// Refuse has mail to the nth person refused with this reply code; 0 takes it again.
func (m *Mail) Refuse(n, code int) { m.RefuseAddress(Address(n), code) }

// RefuseAddress has mail to an address refused with this reply code; 0 takes it again.
func (m *Mail) RefuseAddress(address string, code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[address] = code
}

// Lossy has one of n emails lose its connection before the answer to its final
// dot, after it was taken and before in turns; 0 ends that.
func (m *Mail) Lossy(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lossy = n
}

// cut is asked for each recipient and for each final dot.
func (m *Mail) cut(string) embedded.Cut {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrived++
	switch {
	case m.lossy == 0 || m.arrived%m.lossy != 0:
		return embedded.CutNone
	case m.arrived/m.lossy%2 == 0:
		return embedded.CutAfterAccept
	}
	return embedded.CutBeforeAccept
}

func (m *Mail) reply(to string) embedded.Reply {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused[to] == MailboxFull {
		return embedded.Reply{Code: MailboxFull, Text: "5.2.2 mailbox full"}
	}
	return embedded.Reply{Code: m.refused[to], Text: "not here"}
}

// gate lets a mail pass, or keeps the answer to it until Release.
func (m *Mail) gate(to string) time.Duration {
	m.mu.Lock()
	released, slow := m.released, m.slow
	hold := m.passing == 0
	switch {
	case hold:
		m.held[to] = true
	case m.passing > 0:
		m.passing--
	}
	m.mu.Unlock()
	if hold {
		<-released
	}
	return slow
}

// Letter is one mail as it was taken.
type Letter struct {
	User      string // id of the person it went to
	From      string // envelope sender
	MessageID string
	Subject   string
	At        time.Time
}

// Letters are the emails of one event, in the order in which they were taken.
func (m *Mail) Letters(eventID string) []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.letters[eventID])
}

// note writes down an email that was taken. Those to people that a test has made itself are not of interest.
func (m *Mail) note(c embedded.CaughtMail) {
	if len(c.To) != 1 {
		m.t.Errorf("a mail went to %v", c.To)
	}
	user, domain, _ := strings.Cut(c.To[0], "@")
	if domain != peopleDomain {
		return
	}
	event, _, _ := strings.Cut(strings.TrimPrefix(c.MessageID, "<"), ".")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters[event] = append(m.letters[event], Letter{User: user, From: c.From, MessageID: c.MessageID, Subject: c.Subject, At: c.At})
	m.reached[user] = true
}

// hasReached reports whether an email to a person was taken.
func (m *Mail) hasReached(user string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reached[user]
}

// NewestRaw is the mail that was taken last, as it came.
func (m *Mail) NewestRaw() []byte {
	m.t.Helper()
	news := m.catcher.Messages(1)
	if len(news) == 0 {
		m.t.Fatal("no mail was taken")
	}
	whole, _ := m.catcher.Message(news[0].ID)
	return whole.Raw
}

// Newest is the text of the mail that was taken last: its parts, decoded.
func (m *Mail) Newest() string {
	m.t.Helper()
	return m.text(m.NewestRaw())
}

// Email is a mail that was taken.
type Email struct {
	User      string // local part of the address
	MessageID string
	Subject   string
	Text      string // its parts, decoded, one after the other
}

// Emails are those that were taken and are kept, the oldest first.
func (m *Mail) Emails() (all []Email) {
	m.t.Helper()
	for _, c := range slices.Backward(m.catcher.Messages(m.catcher.Accepted())) {
		user, _, _ := strings.Cut(c.To[0], "@")
		whole, _ := m.catcher.Message(c.ID)
		all = append(all, Email{User: user, MessageID: c.MessageID, Subject: c.Subject, Text: m.text(whole.Raw)})
	}
	return all
}

// Texts are the emails to each person that were taken, the oldest first: their subjects and their parts, decoded. The server keeps
// a few of them.
func (m *Mail) Texts() map[string][]string {
	m.t.Helper()
	all := map[string][]string{}
	for _, e := range m.Emails() {
		all[e.User] = append(all[e.User], e.Subject+"\n"+e.Text)
	}
	return all
}

// text returns the parts of an email, decoded.
func (m *Mail) text(raw []byte) string {
	m.t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.t.Fatal(err)
	}
	var text strings.Builder
	if err := readParts(&text, msg.Header.Get("Content-Type"), msg.Body); err != nil {
		m.t.Fatal(err)
	}
	return strings.ReplaceAll(text.String(), "\r\n", "\n")
}

// readParts writes the parts of a mail, decoded, one after the other.
func readParts(text *strings.Builder, contentType string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(kind, "multipart/") {
		_, err := io.Copy(text, body)
		return err
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = readParts(text, part.Header.Get("Content-Type"), part)
		}
		if err != nil {
			return err
		}
	}
}

// smtpSettings are those that hand all mail to the server at addr.
func smtpSettings(t testing.TB, addr string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	// Held emails must not look like a dead connection, however slow the machine.
	return []string{"SMTP_HOST=" + host, "SMTP_PORT=" + port, "SMTP_TLS=none", "SMTP_TIMEOUT=5m", "EMAIL_FROM=Hill School <office@hill.example>"}
}
