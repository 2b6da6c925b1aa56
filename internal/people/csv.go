package people

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"schoolbell"
)

// csvSource reads users from CSV (RFC 4180) whose header names the columns.
type csvSource struct {
	records csvReader
	columns []string                     // nil until the header is read
	places  []func(*schoolbell.User) any // of the columns
}

func newCSV(r io.Reader) *csvSource {
	return &csvSource{records: csvReader{r: skipBOM(bufio.NewReaderSize(r, maxRecordBytes)), line: 1}}
}

func (c *csvSource) next() (int, *schoolbell.User, []LineError, error) {
	if c.columns == nil {
		if err := c.readHeader(); err != nil {
			return 0, nil, nil, err
		}
	}
	line, fields, fault, err := c.record()
	switch {
	case err != nil:
		return 0, nil, nil, err
	case fault != "":
		return line, nil, []LineError{{Line: line, Message: fault}}, nil
	case len(fields) != len(c.columns):
		return line, nil, []LineError{{Line: line,
			Message: fmt.Sprintf("has %d values, but the header has %d columns", len(fields), len(c.columns))}}, nil
	}
	u := &schoolbell.User{}
	var faults []LineError
	for i, name := range c.columns {
		text := strings.TrimSpace(fields[i])
		if !utf8.ValidString(text) {
			faults = append(faults, LineError{line, name, "is not valid UTF-8"})
			continue
		}
		if text != "" || name == "addresses" { // an empty list of addresses removes them
			setText(c.places[i](u), text)
		}
	}
	return line, u, faults, nil
}

// record returns the next record that is not an empty line.
func (c *csvSource) record() (line int, fields []string, fault string, err error) {
	for {
		line, fields, fault, err = c.records.read()
		if err != nil || fault != "" || len(fields) > 1 || fields[0] != "" {
			return line, fields, fault, err
		}
	}
}

// readHeader returns faults, which end the import, for a header that cannot be understood.
func (c *csvSource) readHeader() error {
	_, names, fault, err := c.record()
	if bad, ok := errors.AsType[*unreadable](err); ok {
		fault, err = bad.Message, nil
	}
	var f schoolbell.Faults
	switch {
	case errors.Is(err, io.EOF):
		f.Add("header", "is missing: the first line must name the columns, such as id,name,email,roles")
	case err != nil:
		return err
	case fault != "":
		f.Add("header", "%s", fault)
	case strings.ContainsFunc(names[0], func(r rune) bool { return r == 0 || r == utf8.RuneError }):
		f.Add("header", "is not UTF-8 text: save the file as CSV UTF-8")
	}
	if f != nil {
		return f
	}
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		switch _, known := columns[name]; {
		case !known:
			f.Add(name, "unknown column; must be one of %s", columnNames())
		case slices.Contains(names[:i], name):
			f.Add(name, "the column appears twice")
		}
		names[i] = name
	}
	if !slices.Contains(names, "id") {
		f.Add("id", "the column is missing")
	}
	c.columns = slices.Clone(names)
	for _, name := range names {
		c.places = append(c.places, columns[name])
	}
	return f.Err()
}

// csvReader splits CSV into records. A record is bounded, line breaks inside
// quotes belong to it (a name with one must not pass for two rows), and after
// a fault it goes on with the next line.
type csvReader struct {
	r    *bufio.Reader
	line int // of the next byte
	size int // bytes of the record so far

	fields []string // of the last plain record
}

var errRecordTooLong = errors.New("record too long")

// read returns the next record, which is good until the next call, with the line on which it
// begins. A fault says why the record cannot be used.
func (c *csvReader) read() (line int, fields []string, fault string, err error) {
	if _, err := c.r.Peek(1); err != nil {
		return 0, nil, "", err
	}
	if fields := c.plain(); fields != nil {
		c.line++
		return c.line - 1, fields, "", nil
	}
	line, c.size = c.line, 0
	for {
		field, end, fault, err := c.field(line)
		if errors.Is(err, errRecordTooLong) {
			fault, err = fmt.Sprintf("is longer than %d bytes", maxRecordBytes), nil
		}
		if err != nil {
			return line, nil, "", err
		}
		if fault != "" {
			return line, nil, fault, c.skipLine()
		}
		fields = append(fields, field)
		if end {
			return line, fields, "", nil
		}
	}
}

// plain returns the next record if all of it is in the buffer and nothing in it is quoted, as in nearly all records:
// it is a line then. The fields are good until the next call. Otherwise it reads nothing and returns nil.
func (c *csvReader) plain() []string {
	buffered, _ := c.r.Peek(c.r.Buffered()) // there is no error in what is there
	end := bytes.IndexByte(buffered, '\n')
	if end < 0 || end >= maxRecordBytes || bytes.IndexByte(buffered[:end], '"') >= 0 {
		return nil
	}
	text := strings.TrimSuffix(string(buffered[:end]), "\r") // one copy, of which the fields are parts
	_, _ = c.r.Discard(end + 1)                              // what was peeked can be discarded
	c.fields = c.fields[:0]
	for more := true; more; {
		var field string
		field, text, more = strings.Cut(text, ",")
		c.fields = append(c.fields, field)
	}
	return c.fields
}

// field reads up to and with the next separator; end says that it was the end of the record.
func (c *csvReader) field(start int) (text string, end bool, fault string, err error) {
	var b strings.Builder
	for {
		ch, err := c.next()
		switch {
		case errors.Is(err, io.EOF) || ch == '\n' && err == nil:
			return strings.TrimSuffix(b.String(), "\r"), true, "", nil
		case err != nil:
			return "", false, "", err
		case ch == ',':
			return b.String(), false, "", nil
		case ch == '"' && strings.Trim(b.String(), " \t") == "":
			return c.quoted(start)
		case ch == '"':
			return "", false, "has a quote inside a value that is not quoted", nil
		}
		b.WriteByte(ch)
	}
}

// quoted reads the rest of a quoted field. Where the quote is never closed,
// nothing after it can be told apart any more.
func (c *csvReader) quoted(start int) (text string, end bool, fault string, err error) {
	var b strings.Builder
	for {
		ch, err := c.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errRecordTooLong):
			return "", false, "", &unreadable{LineError{Line: start,
				Message: fmt.Sprintf("has a quote that is not closed within %d bytes; the rest of the file was not read", maxRecordBytes)}}
		case err != nil:
			return "", false, "", err
		case ch != '"':
			b.WriteByte(ch)
			continue
		}
		if next, err := c.r.Peek(1); err == nil && next[0] == '"' {
			b.WriteByte('"')
			if _, err := c.next(); err != nil {
				return "", false, "", err
			}
			continue
		}
		end, fault, err := c.afterQuote()
		return b.String(), end, fault, err
	}
}

// afterQuote reads from a closing quote to the separator.
func (c *csvReader) afterQuote() (end bool, fault string, err error) {
	for {
		ch, err := c.next()
		switch {
		case errors.Is(err, io.EOF) || ch == '\n' && err == nil:
			return true, "", nil
		case err != nil:
			return false, "", err
		case ch == ',':
			return false, "", nil
		case ch != ' ' && ch != '\t' && ch != '\r':
			return false, "has text after a closing quote", nil
		}
	}
}

func (c *csvReader) next() (byte, error) {
	if c.size >= maxRecordBytes {
		return 0, errRecordTooLong
	}
	ch, err := c.r.ReadByte()
	if err != nil {
		return 0, err
	}
	c.size++
	if ch == '\n' {
		c.line++
	}
	return ch, nil
}

// skipLine passes over the rest of the line on which a fault was found.
func (c *csvReader) skipLine() error {
	for {
		_, err := c.r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		c.line++
		return nil
	}
}
