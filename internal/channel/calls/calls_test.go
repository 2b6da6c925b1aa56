package calls_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"schoolbell"
	"schoolbell/internal/channel/calls"
	"schoolbell/internal/channel/channeltest"
	"schoolbell/internal/testenv"
)

// provider is a server that takes a message in each POST. The body is the recipient, "p7-3@example.org" for fate 3.
type provider struct {
	server *httptest.Server

	mu       sync.Mutex
	accepted map[string]int
	stall    func(to string) // called before each answer
}

func newProvider(t *testing.T) *provider {
	p := &provider{accepted: make(map[string]int), stall: func(string) {}}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		return
	}
	to := string(body)
	p.mu.Lock()
	stall := p.stall
	p.mu.Unlock()
	stall(to)
	switch fateOf(to) {
	case channeltest.Refuse:
		w.WriteHeader(http.StatusBadRequest)
	case channeltest.Defer:
		w.WriteHeader(http.StatusConflict)
	case channeltest.Throttle:
		w.WriteHeader(http.StatusTooManyRequests)
	case channeltest.LoseReply:
		p.accept(to)
		panic(http.ErrAbortHandler)
	default:
		p.accept(to)
	}
}

func fateOf(to string) channeltest.Fate {
	_, rest, _ := strings.Cut(to, "-")
	n, _, _ := strings.Cut(rest, "@")
	fate, err := strconv.Atoi(n)
	if err != nil {
		return channeltest.Accept
	}
	return channeltest.Fate(fate)
}

func (p *provider) accept(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted[to]++
}

func (p *provider) count(to string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted[to]
}

func (p *provider) stallWith(f func(to string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stall = f
}

// sender sends to a provider over the normal lane.
type sender struct {
	calls.LaneSender
	all    *calls.Sender
	client *http.Client
	url    string
}

func newSender(p *provider, change ...func(*calls.Config)) *sender {
	cfg := calls.Config{Connections: 20, Timeout: 20 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	s := &sender{client: calls.NewClient(cfg.Connections), url: p.server.URL}
	cfg.Call = s.call
	s.all = calls.New(cfg)
	s.LaneSender = s.all.Lane(schoolbell.LaneNormal)
	return s
}

func (s *sender) call(ctx context.Context, group []schoolbell.Message) []schoolbell.Result {
	return slices.Repeat([]schoolbell.Result{s.post(ctx, group[0].To)}, len(group))
}

func (s *sender) post(ctx context.Context, to string) schoolbell.Result {
	req, err := http.NewRequest(http.MethodPost, s.url, strings.NewReader(to))
	if err != nil {
		return schoolbell.Result{Verdict: schoolbell.VerdictGiveUp, Reason: err.Error()}
	}
	reply, err := calls.Do(ctx, s.client, req)
	if f, ok := errors.AsType[*calls.Failure](err); ok {
		return f.Result()
	}
	verdict := map[int]schoolbell.Verdict{http.StatusOK: schoolbell.VerdictSent, http.StatusConflict: schoolbell.VerdictRetry,
		http.StatusTooManyRequests: schoolbell.VerdictSlowDown, http.StatusBadRequest: schoolbell.VerdictGiveUp}[reply.Status]
	return schoolbell.Result{Verdict: verdict, Reason: strconv.Itoa(reply.Status)}
}

func (s *sender) Check(ctx context.Context) error {
	req, err := http.NewRequest(http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	if _, err := calls.Do(ctx, s.client, req); err != nil {
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "no reply", Err: err}
	}
	return nil
}

func (s *sender) Close() error { s.client.CloseIdleConnections(); return nil }

func message(to string) schoolbell.Message {
	return schoolbell.Message{ID: to, Channel: schoolbell.ChannelEmail, To: to, Text: schoolbell.Plain("Hello")}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) (channeltest.Sender, channeltest.Provider) {
		p := newProvider(t)
		s := newSender(p)
		return s, channeltest.Provider{
			Message: func(n int, fate channeltest.Fate) schoolbell.Message {
				return message(fmt.Sprintf("p%d-%d@example.org", n, fate))
			},
			Accepted: func(m schoolbell.Message) int { return p.count(m.To) },
			Stall: func() (<-chan struct{}, func()) {
				begun, going := make(chan struct{}), make(chan struct{})
				begin, release := sync.OnceFunc(func() { close(begun) }), sync.OnceFunc(func() { close(going) })
				p.stallWith(func(string) { begin(); <-going })
				t.Cleanup(release)
				return begun, release
			},
			Stop: func() {
				p.server.Close()
				_ = s.Close() // what is written to a connection before its end is noticed has an uncertain result
			},
		}
	})
}

// results sends messages and returns the result of each.
func results(s interface {
	Send(context.Context, []schoolbell.Message, func(int, schoolbell.Result))
}, msgs ...schoolbell.Message) []schoolbell.Result {
	var mu sync.Mutex
	out := make([]schoolbell.Result, len(msgs))
	s.Send(context.Background(), msgs, func(i int, r schoolbell.Result) {
		mu.Lock()
		defer mu.Unlock()
		out[i] = r
	})
	return out
}

func TestLanes(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	going := make(chan struct{})
	release := sync.OnceFunc(func() { close(going) })
	t.Cleanup(release)
	var mu sync.Mutex
	held := 0
	holding := func() int { mu.Lock(); defer mu.Unlock(); return held }
	p.stallWith(func(to string) {
		if strings.HasPrefix(to, "normal") {
			mu.Lock()
			held++
			mu.Unlock()
			<-going
		}
	})
	s := newSender(p, func(c *calls.Config) { c.Connections, c.UrgentShare = 5, 20 })
	var batches sync.WaitGroup
	for b := range 3 {
		batches.Go(func() {
			for _, r := range results(s, message(fmt.Sprintf("normal%d.0@example.org", b)), message(fmt.Sprintf("normal%d.1@example.org", b))) {
				if r.Verdict != schoolbell.VerdictSent {
					t.Errorf("normal message: %+v", r)
				}
			}
		})
	}
	testenv.Eventually(t, 20*time.Second, func() bool { return holding() == 4 }, "normal messages hold their four connections")
	if r := results(s.all.Lane(schoolbell.LaneUrgent), message("urgent@example.org"))[0]; r.Verdict != schoolbell.VerdictSent {
		t.Errorf("urgent message: %+v", r)
	}
	if n := holding(); n != 4 {
		t.Errorf("normal messages hold %d of 5 connections, want 4", n)
	}
	release()
	batches.Wait()
}

func TestGroups(t *testing.T) {
	t.Parallel()
	t.Run("the messages of a group share a request", testGroupsShare)
	t.Run("one message of a group is told to slow down", testGroupsSlowDown)
}

// pairs groups messages of even places, and those of odd ones, two by two.
func pairs(msgs []schoolbell.Message) (groups [][]int) {
	for i := 0; i+3 < len(msgs); i += 4 {
		groups = append(groups, []int{i, i + 2}, []int{i + 1, i + 3})
	}
	return groups
}

func testGroupsShare(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	s := newSender(p, func(c *calls.Config) { c.Group = pairs })
	got := results(s, message("a-0@x"), message("b-1@x"), message("c-1@x"), message("d-0@x"))
	var verdicts []schoolbell.Verdict
	for _, r := range got {
		verdicts = append(verdicts, r.Verdict)
	}
	want := []schoolbell.Verdict{schoolbell.VerdictSent, schoolbell.VerdictGiveUp, schoolbell.VerdictSent, schoolbell.VerdictGiveUp}
	if !slices.Equal(verdicts, want) || p.count("a-0@x") != 1 || p.count("c-1@x") != 0 {
		t.Errorf("verdicts %v, want %v", verdicts, want)
	}
}

func testGroupsSlowDown(t *testing.T) {
	t.Parallel()
	s := newSender(newProvider(t), func(c *calls.Config) { c.Group, c.Connections = pairs, 1 })
	count := map[schoolbell.Verdict]int{}
	for _, r := range results(s, message("a-4@x"), message("b-0@x"), message("c-4@x"), message("d-0@x")) {
		count[r.Verdict]++
	}
	if count[schoolbell.VerdictSlowDown] != 1 || count[schoolbell.VerdictUntried] != 3 {
		t.Errorf("verdicts %v, want one slow_down", count)
	}
}

// A request in flight may end after the caller has stopped, but not for ever.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calling := make(chan struct{})
		s := calls.New(calls.Config{Connections: 1, Timeout: time.Hour, Call: func(ctx context.Context, group []schoolbell.Message) []schoolbell.Result {
			close(calling)
			<-ctx.Done()
			return []schoolbell.Result{{Verdict: schoolbell.VerdictUncertain, Reason: "cut off"}}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-calling; cancel() }()
		began := time.Now()
		got := make([]schoolbell.Result, 2)
		s.Lane(schoolbell.LaneNormal).Send(ctx, []schoolbell.Message{message("a@x"), message("b@x")}, func(i int, r schoolbell.Result) { got[i] = r })
		if got[0].Verdict != schoolbell.VerdictUncertain || got[1].Verdict != schoolbell.VerdictUntried {
			t.Errorf("results %+v", got)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the request had %v to end, want 5s", took)
		}
	})
}
