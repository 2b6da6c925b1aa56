package redisdial

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func follow(stream string, piece int) error {
	var r replies
	for len(stream) > 0 {
		n := min(piece, len(stream))
		if err := r.follow([]byte(stream[:n])); err != nil {
			return err
		}
		stream = stream[n:]
	}
	return nil
}

func TestReplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream string
		want   bool
	}{
		"every type":                      {"+OK\r\n-ERR no\r\n:1\r\n$3\r\nabc\r\n$-1\r\n*-1\r\n*0\r\n_\r\n#t\r\n,1.5\r\n(123\r\n!3\r\nERR\r\n=7\r\ntxt:abc\r\n", true},
		"lists in lists":                  {"*2\r\n*1\r\n:1\r\n%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n>1\r\n+x\r\n", true},
		"attributes":                      {"|1\r\n+ttl\r\n:3\r\n*1\r\n:1\r\n+OK\r\n", true},
		"text that looks like a length":   {"$12\r\n*2147483647\r\r\n+*2147483647\r\n", true},
		"a long string":                   {fmt.Sprintf("$%d\r\n%s\r\n+OK\r\n", 5<<20, strings.Repeat("x", 5<<20)), true},
		"many elements":                   {"*100000\r\n" + strings.Repeat(":1\r\n", 100_000) + "+OK\r\n", true},
		"a reply that has only begun":     {"*2\r\n:1\r\n$10\r\nab", true},
		"a string without end":            {"$999999999999\r\n", false},
		"a list without end":              {"*2147483647\r\n", false},
		"a map without end":               {"%1000000\r\n", false},
		"lists that are each allowed":     {"*2\r\n*1000000\r\n" + strings.Repeat(":1\r\n", 1_000_000) + "*1000000\r\n", false},
		"nested too deep":                 {strings.Repeat("*1\r\n", 40), false},
		"a line without end":              {"+" + strings.Repeat("x", 70_000), false},
		"a length without end":            {"$" + strings.Repeat("0", 70_000), false},
		"a length with a sign":            {"$-2\r\n", false},
		"a length that is none":           {"$abc\r\n", false},
		"a streamed string":               {"$?\r\n", false},
		"an empty length":                 {"$\r\n", false},
		"an empty line":                   {"\r\n", false},
		"another protocol":                {"HTTP/1.1 400 Bad Request\r\n\r\n", false},
		"a length that overflows an int":  {"*18446744073709551617\r\n", false},
		"a small list after a large text": {"$3\r\nabc\r\n*1048577\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 7, 1 << 30} {
				err := follow(c.stream, piece)
				if (err == nil) != c.want || err != nil && !errors.Is(err, ErrReply) {
					t.Errorf("in pieces of %d: %v, want it accepted: %v", piece, err, c.want)
				}
			}
		})
	}
}

// However the stream is cut, the verdict is the same, and nothing is kept of it.
func FuzzReplies(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n+a\r\n#t\r\n", "$999999999999\r\n", "|1\r\n+a\r\n:1\r\n:2\r\n", ">2\r\n+a\r\n_\r\n", "\r\r\n", "$-1\r\n"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, stream string, piece int) {
		whole := follow(stream, 1<<30)
		if cut := follow(stream, 1+max(piece, -piece)%16); (whole == nil) != (cut == nil) {
			t.Errorf("as a whole %v, in pieces %v", whole, cut)
		}
		var r replies
		if r.follow([]byte(stream)) == nil && (cap(r.line) > 64 || r.depth > maxDepth || r.elements > maxElements || r.skip > maxBulk+2) {
			t.Errorf("it keeps %d bytes of a line, depth %d, %d elements, skip %d", cap(r.line), r.depth, r.elements, r.skip)
		}
	})
}

func BenchmarkReplies(b *testing.B) {
	reply := []byte("*5\r\n*4\r\n$4\r\nname\r\n$5\r\nevent\r\n$4\r\ndata\r\n$50\r\n" + strings.Repeat("x", 50) + "\r\n$36\r\n" + strings.Repeat("y", 36) + "\r\n:0\r\n:0\r\n:1\r\n")
	var r replies
	b.SetBytes(int64(len(reply)))
	for b.Loop() {
		if err := r.follow(reply); err != nil {
			b.Fatal(err)
		}
	}
}
