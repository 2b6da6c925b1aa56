// Package upload reads bodies of requests that may take long as a whole but must not stall, such as imports.
package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"schoolbell"
)

// What an import may take, over the API and in the panel.
const (
	MaxImport     = 256 << 20 // bytes
	ImportIdle    = time.Minute
	ImportTimeout = 30 * time.Minute
)

// answerTime is how long an answer may take after its body was read.
const answerTime = time.Minute

// Body is a body that is read up to a limit. Each part of it gives the request and its answer more time.
type Body struct {
	ctx    context.Context // ends when the body has taken too long
	from   io.Reader
	answer *http.ResponseController
	left   int64
	idle   time.Duration
}

// New returns the body of the request that w answers, up to limit bytes. The next bytes may be waited for as long as idle says.
func New(ctx context.Context, from io.Reader, w *http.ResponseController, limit int64, idle time.Duration) *Body {
	return &Body{ctx: ctx, from: from, answer: w, left: limit, idle: idle}
}

// Broken is an error in reading what the client sends.
type Broken struct{ error }

func (e *Broken) Unwrap() error { return e.error }

// Read returns CodeTooLarge after the limit, the error of an ended context, and a *Broken where the client sends no more.
func (b *Body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.from.Read(one[:]); n == 0 && errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		return 0, &schoolbell.Error{Code: schoolbell.CodeTooLarge, Message: "the import is larger than its limit; split the file"}
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	now := time.Now()
	err := errors.Join(b.answer.SetReadDeadline(now.Add(b.idle)), b.answer.SetWriteDeadline(now.Add(2*b.idle)))
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // a server without deadlines, such as one in a test
		return 0, fmt.Errorf("set the deadline of a body: %w", err)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &Broken{err}
	}
	return n, err
}

// Done gives the answer its time: the last deadline may be nearly over.
func (b *Body) Done() error {
	if err := b.answer.SetWriteDeadline(time.Now().Add(answerTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set the deadline of an answer: %w", err)
	}
	return nil
}
