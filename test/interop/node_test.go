package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"schoolbell/internal/testenv"
)

// node is a Node process with one major of BullMQ, as one test uses it. Its
// methods that fail the test are for the goroutine of the test.
type node struct {
	*nodeProcess
	t testing.TB
}

// with is the same process for a test inside the test.
func (n *node) with(t testing.TB) *node { return &node{n.nodeProcess, t} }

type nodeProcess struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	log   lockedBuffer
	ended chan struct{}

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
}

type reply struct {
	ID     int
	Result json.RawMessage
	Error  *nodeError
}

// nodeError is what a piece of Node code threw.
type nodeError struct {
	Message string
	Code    json.RawMessage
}

func (e *nodeError) Error() string { return fmt.Sprintf("node: %s (code %s)", e.Message, e.Code) }

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startNode starts Node beside a Redis. It ends with the test, and with this
// process in any case, because its input ends then.
func startNode(t testing.TB, major int, s site) *node {
	t.Helper()
	where, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{&nodeProcess{ended: make(chan struct{}), waiting: map[int]chan reply{0: make(chan reply, 1)}}, t}
	cmd := exec.Command(testenv.Node(t, "."), "driver.mjs", strconv.Itoa(major), string(where))
	cmd.Stderr = &n.log
	n.cmd = cmd
	out, err := cmd.StdoutPipe()
	if err == nil {
		n.in, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ready := n.waiting[0]
	go func() {
		defer close(n.ended)
		n.read(out)
		_ = cmd.Wait() // what it said is in the log
	}()
	t.Cleanup(n.end)
	(&call{n, ready}).wait(nil)
	return n
}

// kill ends Node as a crash would, and returns when it has ended.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	<-n.ended
}

// signal sends Node a signal.
func (n *node) signal(sig syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		n.t.Fatalf("%v to node: %v", sig, err)
	}
}

func (n *node) end() {
	_ = n.in.Close()
	select {
	case <-n.ended:
	case <-time.After(20 * time.Second):
		n.kill()
		n.t.Error("node did not end on its own")
	}
	if n.t.Failed() && n.log.String() != "" {
		n.t.Logf("node said:\n%s", n.log.String())
	}
}

func (n *nodeProcess) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintf(&n.log, "no reply: %s\n", lines.Bytes())
			continue
		}
		n.mu.Lock()
		n.waiting[r.ID] <- r
		delete(n.waiting, r.ID)
		n.mu.Unlock()
	}
}

// call is a piece of Node code that runs.
type call struct {
	n  *node
	to chan reply
}

// start runs a piece of Node code and does not wait for its end.
func (n *node) start(code string, args ...any) *call {
	n.t.Helper()
	if args == nil {
		args = []any{}
	}
	c := &call{n, make(chan reply, 1)}
	n.mu.Lock()
	n.last++
	id := n.last
	n.waiting[id] = c.to
	n.mu.Unlock()
	line, err := json.Marshal(map[string]any{"id": id, "code": code, "args": args})
	if err == nil {
		_, err = n.in.Write(append(line, '\n'))
	}
	if err != nil {
		n.t.Fatalf("speak to node: %v\n%s", err, n.log.String())
	}
	return c
}

// result waits for the end of the code and decodes what it returned into out,
// which may be nil.
func (c *call) result(out any) error {
	c.n.t.Helper()
	var r reply
	select {
	case r = <-c.to:
	case <-c.n.ended:
		select {
		case r = <-c.to: // its last words
		default:
			return errors.New("node has ended: " + c.n.log.String())
		}
	case <-time.After(patience):
		return errors.New("node does not answer: " + c.n.log.String())
	}
	if r.Error != nil {
		return r.Error
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(r.Result, out)
}

// wait is result for code that must not throw.
func (c *call) wait(out any) {
	c.n.t.Helper()
	if err := c.result(out); err != nil {
		c.n.t.Fatal(err)
	}
}

// do runs a piece of Node code to its end. $ is what driver.mjs offers.
func (n *node) do(out any, code string, args ...any) {
	n.t.Helper()
	n.start(code, args...).wait(out)
}

// quiet fails the test if Node's BullMQ has complained of anything.
func (n *node) quiet() {
	n.t.Helper()
	var errs []string
	n.do(&errs, `return $.errors`)
	for _, e := range errs {
		n.t.Errorf("node complains: %s", e)
	}
}
