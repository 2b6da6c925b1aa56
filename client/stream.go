package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	reconnect    = 2 * time.Second // unless the server says otherwise
	maxReconnect = 30 * time.Second
	maxEventLine = 1 << 20 // bytes
	maxEventData = 4 << 20 // bytes of all lines of an event
)

// streamEvent is one server-sent event.
type streamEvent struct{ id, name, data string }

// events yields the events of a stream and takes it up again after the last id
// when the connection ends.
func (c *Client) events(ctx context.Context, path, lastID string) iter.Seq2[streamEvent, error] {
	return func(yield func(streamEvent, error) bool) {
		wait := reconnect
		for {
			more, err := c.follow(ctx, path, &lastID, &wait, func(ev streamEvent) bool { return yield(ev, nil) })
			if !more || ctx.Err() != nil {
				return
			}
			if err != nil {
				_, refused := errors.AsType[*Problem](err)
				if !yield(streamEvent{}, err) || refused {
					return
				}
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

// follow reads one connection's events. more is false once yield wants no more.
// The end of the answer is no error: the server ends streams when it stops.
func (c *Client) follow(ctx context.Context, path string, lastID *string, wait *time.Duration, yield func(streamEvent) bool) (more bool, err error) {
	r := call{method: http.MethodGet, path: path, header: map[string]string{"Accept": "text/event-stream"}}
	if *lastID != "" {
		r.header["Last-Event-ID"] = *lastID
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return true, fmt.Errorf("the server answered with %q instead of a stream", kind)
	}
	return readEvents(resp.Body, lastID, wait, yield)
}

func readEvents(body io.Reader, lastID *string, wait *time.Duration, yield func(streamEvent) bool) (more bool, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEventLine)
	var ev streamEvent
	var data []byte // each line of it ends with a line break
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			ev.data = strings.TrimSuffix(string(data), "\n")
			if ev.data != "" {
				if ev.id != "" {
					*lastID = ev.id
				}
				if !yield(ev) {
					return false, nil
				}
			}
			ev, data = streamEvent{}, data[:0]
		case field == "id":
			ev.id = value
		case field == "event":
			ev.name = value
		case field == "data" && len(data)+len(value) >= maxEventData:
			return true, fmt.Errorf("read the stream: an event has more than %d bytes", maxEventData)
		case field == "data":
			data = append(append(data, value...), '\n')
		case field == "retry":
			if ms, err := strconv.Atoi(value); err == nil && ms >= 0 {
				*wait = time.Duration(min(ms, int(maxReconnect/time.Millisecond))) * time.Millisecond
			}
		}
	}
	if err := lines.Err(); err != nil {
		return true, fmt.Errorf("read the stream: %w", err)
	}
	return true, nil
}
