package smtpconn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxReplyLines = 100
	maxReasonLen  = 300 // bytes of a reply that are handed on
)

// Reply is what a server answered: its code and its words.
type Reply struct {
	Code     int    // 200 to 599
	Enhanced string // RFC 3463 status code such as "4.7.28"; empty if the server gave none
	Text     string // the lines' text, joined by line feeds, as sent
}

// Class returns the first digit of the code.
func (r Reply) Class() int { return r.Code / 100 }

// String returns the reply as one printable line of moderate length.
func (r Reply) String() string {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return ' '
		}
		return c
	}, r.Text)
	return Cut(strconv.Itoa(r.Code) + " " + strings.Join(strings.Fields(text), " "))
}

// Cut shortens s to what is handed on of a server's words.
func Cut(s string) string {
	if len(s) <= maxReasonLen {
		return s
	}
	s = s[:maxReasonLen]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 { // half an address would not be known as one
		s = s[:i]
	}
	return s
}

var errGarbled = errors.New("the server's answer is not SMTP")

// readReply reads one reply of one or more lines. Lines are bounded by r's buffer.
func readReply(r *bufio.Reader) (Reply, error) {
	var out Reply
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return Reply{}, fmt.Errorf("%w: a line is too long", errGarbled)
		case err != nil:
			return Reply{}, err
		case n == maxReplyLines:
			return Reply{}, fmt.Errorf("%w: more than %d lines", errGarbled, maxReplyLines)
		}
		code, rest, last, ok := parseLine(string(bytes.TrimRight(line, "\r\n")))
		switch {
		case !ok || n > 0 && code != out.Code:
			return Reply{}, errGarbled
		case n == 0: // and as a rule the only one
			out = Reply{Code: code, Enhanced: enhanced(rest), Text: rest}
		default:
			out.Text += "\n" + rest
		}
		if last {
			return out, nil
		}
	}
}

// parseLine takes "250-text", "250 text" or "250" apart.
func parseLine(line string) (code int, text string, last, ok bool) {
	if len(line) < 3 {
		return 0, "", false, false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(c-'0')
	}
	if code < 200 || code > 599 {
		return 0, "", false, false
	}
	switch {
	case len(line) == 3:
		return code, "", true, true
	case line[3] == ' ':
		return code, line[4:], true, true
	case line[3] == '-':
		return code, line[4:], false, true
	}
	return 0, "", false, false
}

// enhanced returns the status code text begins with, if it does.
func enhanced(text string) string {
	word, _, _ := strings.Cut(text, " ")
	class, rest, _ := strings.Cut(word, ".")
	subject, detail, _ := strings.Cut(rest, ".")
	switch class {
	case "2", "4", "5":
		if isUpTo999(subject) && isUpTo999(detail) {
			return word
		}
	}
	return ""
}

func isUpTo999(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n <= 999
}
