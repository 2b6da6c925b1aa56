package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"schoolbell/internal/testenv"
)

// windowHeight is that of all pages, in pixels.
const windowHeight = 844

// patience is how long the browser may take for one thing.
const patience = time.Minute

// browser is a Chromium that is driven over its DevTools protocol. It ends with the test.
type browser struct {
	conn *websocket.Conn

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	tabs    map[string]*tab // by session
}

// message is a call, its answer or an event of the DevTools protocol.
type message struct {
	ID      int                       `json:"id,omitempty"`
	Session string                    `json:"sessionId,omitempty"`
	Method  string                    `json:"method,omitempty"`
	Params  json.RawMessage           `json:"params,omitempty"`
	Result  json.RawMessage           `json:"result,omitempty"`
	Error   *struct{ Message string } `json:"error,omitempty"`
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	args := []string{"--headless=new", "--remote-debugging-port=0", "--user-data-dir=" + t.TempDir(), "--remote-allow-origins=http://127.0.0.1", "--no-first-run", "--disable-gpu",
		"--disable-features=IsolateSandboxedIframes", // so that the documents of frames belong to the page
		"--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars", "about:blank"}
	if os.Getuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // which does not work for root
	}
	program := testenv.StartProgram(t, testenv.ProgramOptions{}, testenv.Chromium(t), args...)
	b := &browser{waiting: map[int]chan message{}, tabs: map[string]*tab{}}
	t.Cleanup(func() { b.stop(program) })
	program.Await("DevTools listening on ws")
	_, rest, _ := strings.Cut(program.Output(), "DevTools listening on ")
	conn, err := websocket.Dial(strings.Fields(rest)[0], "", "http://127.0.0.1")
	must(t, err)
	b.conn = conn
	b.conn.MaxPayloadBytes = 64 << 20
	go b.read()
	return b
}

// stop has the browser end with all its processes, which write to its folder until then.
func (b *browser) stop(program *testenv.Program) {
	if b.conn == nil {
		return
	}
	_ = websocket.JSON.Send(b.conn, message{ID: 1 << 30, Method: "Browser.close"})
	defer b.conn.Close()
	program.Exit(patience)
}

// read hands answers and events to those who wait for them, until the connection ends.
func (b *browser) read() {
	for {
		var m message
		if err := websocket.JSON.Receive(b.conn, &m); err != nil {
			return
		}
		b.mu.Lock()
		answer, p := b.waiting[m.ID], b.tabs[m.Session]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case answer != nil:
			answer <- m
		case p != nil:
			p.happened(m)
		}
	}
}

// close closes the pages of a context, whatever has happened to them.
func (b *browser) close(context string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	_ = websocket.JSON.Send(b.conn, message{ID: b.last, Method: "Target.disposeBrowserContext", Params: json.RawMessage(`{"browserContextId":"` + context + `"}`)})
}

// call makes a call in a session, or of the browser itself, and decodes the result.
func (b *browser) call(t *testing.T, session, method string, params map[string]any, result any) {
	t.Helper()
	must(t, b.try(session, method, params, result))
}

// try is call for what may fail.
func (b *browser) try(session, method string, params map[string]any, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answer := make(chan message, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answer
	err = websocket.JSON.Send(b.conn, message{ID: id, Session: session, Method: method, Params: text})
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m := <-answer:
		switch {
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case result != nil:
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s has no answer", method)
	}
}

// tab is a page with storage of its own. Its methods are for the goroutine of the test.
type tab struct {
	t       *testing.T
	browser *browser
	width   int
	session string
	loaded  chan struct{}

	mu       sync.Mutex
	requests []string // URLs
	faults   []string // what the page may not do, and errors of scripts
}

// device is how a page is shown.
type device struct {
	width    int
	dark     bool
	language string
	script   bool
}

func (d device) String() string {
	name := fmt.Sprint(d.width)
	if d.dark {
		name += "-dark"
	}
	if d.language != "" {
		name += "-" + d.language
	}
	return name
}

func (b *browser) open(t *testing.T, d device) *tab {
	t.Helper()
	var context struct{ BrowserContextID string }
	b.call(t, "", "Target.createBrowserContext", nil, &context)
	var target struct{ TargetID string }
	b.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.BrowserContextID}, &target)
	var session struct{ SessionID string }
	b.call(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	p := &tab{t: t, browser: b, width: d.width, session: session.SessionID, loaded: make(chan struct{}, 100)}
	t.Cleanup(func() { b.close(context.BrowserContextID) }) // pages that follow the server cost time for as long as they are open
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		p.call(domain+".enable", nil, nil)
	}
	p.size(windowHeight)
	p.scheme(d.dark)
	p.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": !d.script}, nil)
	if d.language != "" {
		p.call("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": d.language}}, nil)
	}
	return p
}

// size sets the height of the page's window.
func (p *tab) size(height int) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": p.width, "height": height, "deviceScaleFactor": 1, "mobile": p.width < 600}, nil)
}

// scheme has the page be dark or light. Colours change at once.
func (p *tab) scheme(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}}}, nil)
}

func (p *tab) call(method string, params map[string]any, result any) {
	p.t.Helper()
	p.browser.call(p.t, p.session, method, params, result)
}

// happened notes an event.
func (p *tab) happened(m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Method {
	case "Page.loadEventFired":
		p.loaded <- struct{}{}
	case "Network.requestWillBeSent":
		var e struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &e) == nil {
			p.requests = append(p.requests, e.Request.URL)
		}
	case "Log.entryAdded":
		var e struct {
			Entry struct{ Source, Level, Text string }
		}
		if json.Unmarshal(m.Params, &e) == nil && e.Entry.Level == "error" && e.Entry.Source != "network" { // which is the status of an error page
			p.faults = append(p.faults, e.Entry.Text)
		}
	case "Runtime.exceptionThrown":
		p.faults = append(p.faults, string(m.Params))
	}
}

// noted returns the requests and faults so far.
func (p *tab) noted() (requests, faults []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests), slices.Clone(p.faults)
}

// goes waits until the page that follows an action is loaded.
func (p *tab) goes(action func()) {
	p.t.Helper()
	for len(p.loaded) > 0 {
		<-p.loaded
	}
	action()
	select {
	case <-p.loaded:
	case <-time.After(patience):
		p.t.Fatal("the page is not loaded")
	}
}

func (p *tab) visit(url string) {
	p.t.Helper()
	p.goes(func() { p.call("Page.navigate", map[string]any{"url": url}, nil) })
}

// eval evaluates an expression on the page. It waits for a promise.
func (p *tab) eval(expression string, result any) {
	p.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	p.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		p.t.Fatalf("%.100s: %s", expression, answer.ExceptionDetails)
	}
	if result != nil {
		must(p.t, json.Unmarshal(answer.Result.Value, result))
	}
}

// text is what a person reads on the page.
func (p *tab) text() (text string) {
	p.t.Helper()
	p.eval("document.body.innerText", &text)
	return text
}

// press presses a key: Tab, Enter, ArrowLeft or /.
func (p *tab) press(key string) {
	p.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "ArrowLeft": 37, "/": 191}
	texts := map[string]string{"Enter": "\r", "/": "/"}
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": codes[key], "text": texts[key]}, nil)
	}
}

// picture writes what the page looks like to the folder that SCREENSHOTS names, if it is set.
func (p *tab) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	var page struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	p.call("Page.getLayoutMetrics", nil, &page)
	p.size(int(math.Ceil(page.CSSContentSize.Height))) // a picture of more than the window is shifted if the page is written from right to left
	defer p.size(windowHeight)
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	image, err := base64.StdEncoding.DecodeString(shot.Data)
	must(p.t, err)
	must(p.t, os.MkdirAll(folder, 0o755))
	must(p.t, os.WriteFile(filepath.Join(folder, name+".png"), image, 0o644))
}
