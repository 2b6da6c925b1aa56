package redisdial

import (
	"errors"
	"fmt"
)

// Limits on one reply. The largest that the program asks for are a page of jobs, each
// of which other programs may have given some MB, and the ids of a queue's jobs.
const (
	maxBulk     = 64 << 20  // bytes of one string
	maxReply    = 512 << 20 // bytes of a whole reply
	maxElements = 1 << 20   // of all lists, sets and maps of a reply together
	maxDepth    = 32        // lists within lists
	maxLine     = 64 << 10  // bytes of a line: a length, a number, a status, an error
)

// ErrReply says that a server sent what is no reply, or one beyond the limits. The
// connection is of no use any more.
var ErrReply = errors.New("the Redis server sent an unacceptable reply")

func unacceptable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrReply, fmt.Sprintf(format, args...))
}

// replies follows the framing of a stream of replies (RESP2 and RESP3), so that none is
// handed on whose announced size would exhaust memory: clients allocate what a
// length says before the data come. It is for one goroutine.
type replies struct {
	open     [maxDepth]int // elements still to come of each list that is open
	depth    int           // lists that are open
	elements int           // of the reply so far
	bytes    int           // of the reply so far
	skip     int           // bytes of a string, and its line end, still to come
	line     []byte        // of the line so far: its type and, for a length, the digits
	length   int           // of the line so far
	cr       bool          // the last byte was a CR
}

// follow reads the next bytes of the stream. After an error it must not be used again.
func (r *replies) follow(b []byte) error {
	for len(b) > 0 {
		if r.skip > 0 {
			n := min(r.skip, len(b))
			r.skip, r.bytes, b = r.skip-n, r.bytes+n, b[n:]
			if r.skip == 0 {
				r.element()
			}
			continue
		}
		c := b[0]
		b = b[1:]
		r.bytes++
		if r.bytes > maxReply {
			return unacceptable("it is longer than %d bytes", maxReply)
		}
		if c == '\n' && r.cr {
			if err := r.endOfLine(); err != nil {
				return err
			}
			continue
		}
		r.cr = c == '\r'
		if r.length++; r.length > maxLine {
			return unacceptable("a line is longer than %d bytes", maxLine)
		}
		if len(r.line) < 24 { // the type, a sign, and more digits than any length has
			r.line = append(r.line, c)
		}
	}
	return nil
}

// endOfLine acts on a whole line, whose CR is in r.line or cut off.
func (r *replies) endOfLine() error {
	line, length := r.line, r.length
	r.line, r.length, r.cr = r.line[:0], 0, false
	if length < 2 {
		return unacceptable("a line is empty")
	}
	kind := line[0]
	switch kind {
	case '+', '-', ':', ',', '#', '(', '_':
		r.element()
		return nil
	case '$', '=', '!':
		return r.text(line, length)
	case '*', '~', '>', '%', '|':
		return r.list(kind, line, length)
	}
	return unacceptable("type %q is not known", kind)
}

func (r *replies) text(line []byte, length int) error {
	n, err := size(line, length)
	switch {
	case err != nil:
		return err
	case n > maxBulk:
		return unacceptable("a string of %d bytes is longer than %d", n, maxBulk)
	case n < 0:
		r.element()
		return nil
	}
	r.skip = n + 2
	return nil
}

func (r *replies) list(kind byte, line []byte, length int) error {
	n, err := size(line, length)
	if err != nil {
		return err
	}
	if n > 0 && (kind == '%' || kind == '|') {
		n *= 2
	}
	if r.elements += max(n, 0); n > maxElements || r.elements > maxElements {
		return unacceptable("it has more than %d elements", maxElements)
	}
	if kind == '|' { // attributes stand before an element and are none
		n++
	}
	if n <= 0 {
		r.element()
		return nil
	}
	if r.depth == maxDepth {
		return unacceptable("lists are nested more than %d deep", maxDepth)
	}
	r.open[r.depth] = n
	r.depth++
	return nil
}

// element notes that a value is complete, and with it the lists that it ends.
func (r *replies) element() {
	for r.depth > 0 {
		if r.open[r.depth-1]--; r.open[r.depth-1] > 0 {
			return
		}
		r.depth--
	}
	r.elements, r.bytes = 0, 0
}

// size reads the number of a line "$123\r"; -1 is none.
func size(line []byte, length int) (int, error) {
	if length != len(line) {
		return 0, unacceptable("a length has too many digits")
	}
	digits := line[1 : len(line)-1] // without the CR
	if string(digits) == "-1" {
		return -1, nil
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0, unacceptable("a length is %q", digits)
		}
		n = 10*n + int(c-'0')
	}
	if len(digits) == 0 {
		return 0, unacceptable("a length is missing")
	}
	return n, nil
}
