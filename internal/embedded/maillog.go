package embedded

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxKeptBytes bounds what all emails kept for viewing take together, so that a
// few huge ones cannot fill the memory.
const maxKeptBytes = 64 << 20

// mailLog is the catcher's account of what it took: numbers for all emails, one
// small entry for each Message-ID and recipient, and the newest emails whole.
type mailLog struct {
	seed  maphash.Seed
	keep  int
	limit int // entries in ids and in recipients
	taken func(CaughtMail)

	mu         sync.Mutex
	accepted   int
	nameless   int                 // emails without a Message-ID
	ids        map[uint64]struct{} // hashes of Message-IDs: at a million of them two meet once in 37 million runs
	recipients map[string]int
	overflow   bool
	kept       []CaughtMail // oldest first
	keptBytes  int
}

type mailCounts struct {
	accepted, distinct int
	complete           bool
}

func newMailLog(keep, limit int, taken func(CaughtMail)) *mailLog {
	return &mailLog{
		seed:       maphash.MakeSeed(),
		keep:       keep,
		limit:      limit,
		taken:      taken,
		ids:        map[uint64]struct{}{},
		recipients: map[string]int{},
	}
}

// add takes m, whose To and Raw stay the caller's.
func (b *mailLog) add(m CaughtMail) {
	id := headerValue(m.Raw, "Message-ID")
	hash := maphash.Bytes(b.seed, id)
	if b.keep > 0 {
		m.To, m.Raw = slices.Clone(m.To), bytes.Clone(m.Raw)
	}
	if b.keep > 0 || b.taken != nil {
		m.readHeader()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accepted++
	if len(id) == 0 {
		b.nameless++
	} else if _, known := b.ids[hash]; !known {
		if len(b.ids) < b.limit {
			b.ids[hash] = struct{}{}
		} else {
			b.overflow = true
		}
	}
	for _, to := range m.To {
		if n, known := b.recipients[to]; known || len(b.recipients) < b.limit {
			b.recipients[to] = n + 1
		} else {
			b.overflow = true
		}
	}
	m.ID = strconv.Itoa(b.accepted)
	if b.taken != nil {
		b.taken(m)
	}
	if b.keep > 0 {
		b.hold(m)
	}
}

// hold keeps m and lets the oldest go.
func (b *mailLog) hold(m CaughtMail) {
	b.kept = append(b.kept, m)
	b.keptBytes += len(m.Raw)
	drop := 0
	for len(b.kept)-drop > 1 && (len(b.kept)-drop > b.keep || b.keptBytes > maxKeptBytes) {
		b.keptBytes -= len(b.kept[drop].Raw)
		b.kept[drop] = CaughtMail{}
		drop++
	}
	b.kept = b.kept[drop:] // append copies what is left once the room behind it is used up
}

func (b *mailLog) counts() mailCounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return mailCounts{accepted: b.accepted, distinct: len(b.ids) + b.nameless, complete: !b.overflow}
}

func (b *mailLog) eachRecipient(f func(addr string, n int)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for addr, n := range b.recipients {
		f(addr, n)
	}
}

func (b *mailLog) newest(limit int) []CaughtMail {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := max(0, min(limit, len(b.kept)))
	out := slices.Clone(b.kept[len(b.kept)-n:])
	slices.Reverse(out)
	for i := range out {
		out[i].Raw = nil
	}
	return out
}

func (b *mailLog) byID(id string) (CaughtMail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.kept, func(m CaughtMail) bool { return m.ID == id })
	if i < 0 {
		return CaughtMail{}, false
	}
	return b.kept[i], true
}

// headerValue finds the first header field of this name in a raw message and
// returns the first line of its value that is not blank, without copying.
func headerValue(raw []byte, name string) []byte {
	found := false
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		folded := line[0:min(1, len(line))]
		switch {
		case len(line) <= 1: // the empty line before the body
			return nil
		case found && !bytes.ContainsAny(folded, " \t"):
			return nil
		case found:
		case len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name):
			found = true
			line = line[len(name)+1:]
		}
		if value := bytes.TrimSpace(line); found && len(value) > 0 {
			return value
		}
		raw = rest
	}
	return nil
}
