package smtpconn

import (
	"bufio"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestReadReply(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, in string
		want     Reply
		ok       bool
	}{
		{"one line", "250 2.1.0 fine\r\n", Reply{250, "2.1.0", "2.1.0 fine"}, true},
		{"only a code", "250\r\n", Reply{250, "", ""}, true},
		{"several lines", "250-a\r\n250-b\r\n250 c\r\n", Reply{250, "", "a\nb\nc"}, true},
		{"bare line feeds", "550-5.7.28 a\n550 5.7.28 b\n", Reply{550, "5.7.28", "5.7.28 a\n5.7.28 b"}, true},
		{"no enhanced code", "550 5.7 a\r\n", Reply{550, "", "5.7 a"}, true},
		{"codes that differ", "250-a\r\n251 b\r\n", Reply{}, false},
		{"a code too small", "150 a\r\n", Reply{}, false},
		{"a code too big", "650 a\r\n", Reply{}, false},
		{"no code", "hello\r\n", Reply{}, false},
		{"a short line", "2\r\n", Reply{}, false},
		{"a code that runs on", "2500 a\r\n", Reply{}, false},
		{"an end in the middle", "250-a\r\n", Reply{}, false},
		{"a line without an end", strings.Repeat("2", 10_000), Reply{}, false},
		{"lines without an end", strings.Repeat("250-a\r\n", maxReplyLines+1), Reply{}, false},
	}
	for _, x := range cases {
		got, err := readReply(bufio.NewReader(strings.NewReader(x.in)))
		if (err == nil) != x.ok {
			t.Errorf("%s: %v", x.name, err)
		} else if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, diff)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250 2.0.0 ok\r\n", "250-a\r\n250 b\r\n", "554 \x00\x1b[31m\xff\r\n", "25", "250", "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(in)))
		if err != nil {
			return
		}
		s := r.String()
		if r.Code < 200 || r.Code > 599 || len(s) > maxReasonLen || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			t.Errorf("reply %d, %q", r.Code, s)
		}
	})
}

func TestAppendStuffed(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "\r\n.\r\n",
		"a\r\n":                 "a\r\n.\r\n",
		"a":                     "a\r\n.\r\n",
		".":                     "..\r\n.\r\n",
		"..\r\n.a\r\n\r\n.\r\n": "...\r\n..a\r\n\r\n..\r\n.\r\n",
	} {
		if got := string(appendStuffed(nil, []byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
