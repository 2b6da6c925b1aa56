package people

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"schoolbell"
)

// ndjson reads one JSON object a line. Empty lines count and are passed over.
type ndjson struct {
	r    *bufio.Reader
	line int
}

func newNDJSON(r io.Reader) *ndjson {
	return &ndjson{r: skipBOM(bufio.NewReaderSize(r, maxRecordBytes))}
}

// skipBOM passes over the mark with which some programs begin UTF-8 files.
func skipBOM(r *bufio.Reader) *bufio.Reader {
	if head, err := r.Peek(3); err == nil && string(head) == "\ufeff" {
		_, _ = r.Discard(3) // what was peeked can be discarded
	}
	return r
}

func (n *ndjson) next() (int, *schoolbell.User, []LineError, error) {
	for {
		text, tooLong, err := n.readLine()
		if err != nil {
			return 0, nil, nil, err
		}
		n.line++
		if tooLong {
			return n.line, nil, []LineError{{Line: n.line, Message: fmt.Sprintf("is longer than %d bytes", maxRecordBytes)}}, nil
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			if u, plain := parsePlain(text); plain {
				return n.line, u, nil, nil
			}
			u, faults := parseObject(n.line, text)
			return n.line, u, faults, nil
		}
	}
}

// readLine returns the next line, which is good until the next call. Of a line
// that is too long it reads to the end and returns nothing.
func (n *ndjson) readLine() (text []byte, tooLong bool, err error) {
	text, err = n.r.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		_, err = n.r.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(text) > 0 || tooLong) {
		err = nil // the last line has no line break; the next call finds the end again
	}
	if tooLong {
		text = nil
	}
	return text, tooLong, err
}

func parseObject(line int, text []byte) (*schoolbell.User, []LineError) {
	if !schoolbell.ValidJSONText(text) {
		return nil, []LineError{{Line: line, Message: "is not valid UTF-8, or has an unpaired surrogate escape (\\ud800 to \\udfff)"}}
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(text, &fields)
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, []LineError{{Line: line, Message: fmt.Sprintf("is not valid JSON at byte %d: %v", bad.Offset, bad)}}
	}
	if err != nil || fields == nil {
		return nil, []LineError{{Line: line, Message: "must be a JSON object"}}
	}
	u := &schoolbell.User{}
	var faults []LineError
	if _, ok := fields["id"]; !ok {
		faults = append(faults, LineError{line, "id", "is missing"})
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		into, known := columns[name]
		if !known {
			faults = append(faults, LineError{line, name, "unknown field; must be one of " + columnNames()})
			continue
		}
		if fault := setJSON(into(u), fields[name]); fault != "" {
			faults = append(faults, LineError{line, name, fault})
		}
	}
	return u, faults
}
