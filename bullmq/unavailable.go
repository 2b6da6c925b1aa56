package bullmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable says that Redis cannot be reached or cannot serve at the moment: the
// connection broke or was refused, a reply or a connection of the pool did not come in
// time, or the server is loading its data, is busy with a script, has too many clients, is
// cut off from its master or its Cluster, takes no changes ([ErrServerReadOnly]) or has no room
// ([ErrServerFull]). The same call may succeed later. Every error of this package that
// has such a cause matches it; where the connection broke, a change may have been made.
//
// A context that has ended is its own error and does not match. Neither does a client that
// was closed, redis.ErrClosed. A connection attempt that took too long may match
// context.DeadlineExceeded too, as errors of package net do, so look for ErrUnavailable first.
var ErrUnavailable = errors.New("bullmq: Redis is unavailable")

// Errors of servers that cannot hold queues, or not now. What was to be changed is
// unchanged.
var (
	// ErrServerTooOld says that the server lacks commands that the package needs: it
	// is older than Redis 6.2.
	ErrServerTooOld = errors.New("bullmq: the Redis server is too old")
	// ErrServerReadOnly says that the server is a replica, which takes no changes. It is
	// an [ErrUnavailable]: after a failover the client finds the master.
	ErrServerReadOnly = fmt.Errorf("%w: the server is a read-only replica", ErrUnavailable)
	// ErrServerFull says that the server takes no changes because its memory is full
	// or because it cannot save to its disk. It is an [ErrUnavailable].
	ErrServerFull = fmt.Errorf("%w: the server has no room", ErrUnavailable)
	// ErrNoPermission says that the server does not allow its user what is needed, or
	// does not know the user. Users need all commands on keys that begin with the
	// prefix, and INFO.
	ErrNoPermission = errors.New("bullmq: the Redis server denies permission")
)

// passing are the first words of replies of a server that cannot serve now, save those
// with an error of their own.
var passing = []string{
	"LOADING", "BUSY", "UNKILLABLE", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "ASK", "ERR max number of clients reached",
	// A connection that waited at a master which is one no more is told the first, and
	// the second if it comes back to it.
	"UNBLOCKED", "MOVED",
}

// deniedInScript is how servers begin to say NOPERM within a script.
const deniedInScript = "The user executing the script can't "

// kindOf is the error of the package's own that err is a case of, nil if there is none.
func kindOf(err error) error {
	var reply redis.Error
	if !errors.As(err, &reply) {
		if err == nil || errors.Is(err, ErrInvalid) || errors.Is(err, redis.ErrClosed) {
			return nil
		}
		return ErrUnavailable // no reply came, or none that is one
	}
	switch {
	case begins(reply, "READONLY"):
		return ErrServerReadOnly
	case begins(reply, "OOM", "MISCONF"):
		return ErrServerFull
	case strings.Contains(reply.Error(), "WRONGTYPE "):
		return ErrDamagedKey
	case redis.IsPermissionError(err), redis.IsAuthError(err), redis.HasErrorPrefix(err, deniedInScript):
		return ErrNoPermission
	case begins(reply, passing...):
		return ErrUnavailable
	}
	return nil
}

// begins tells whether a reply has one of the words at its beginning or, as Redis before 7
// says it, as the reason why a script failed.
func begins(reply redis.Error, words ...string) bool {
	text := reply.Error() + " "
	for _, word := range words {
		if strings.HasPrefix(text, word+" ") || strings.HasPrefix(text, "ERR "+word+" ") || strings.HasPrefix(text, "ERR ") && strings.Contains(text, ": -"+word+" ") {
			return true
		}
	}
	return false
}

// isPassing tells errors that pass with time, where Redis is unreachable or not fit to
// answer, from those that a repetition would meet again.
func isPassing(err error) bool { return err != nil && errors.Is(kindOf(err), ErrUnavailable) }

// classified makes an error that came from Redis or from the client one of the package's
// own where it can. One that comes because ctx has ended becomes ctx's.
func classified(ctx context.Context, err error) error {
	kind := kindOf(err)
	var reply redis.Error
	if kind == ErrUnavailable && !errors.As(err, &reply) {
		if ended := endOf(ctx); ended != nil {
			kind = ended
		}
	}
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return &classifiedError{kind, err}
}

// endOf is why ctx has ended, nil if it has not. A connection with the same deadline may
// break just before ctx itself knows.
func endOf(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// classifiedError is what a server or a client said, known by its kind.
type classifiedError struct{ kind, err error }

func (e *classifiedError) Error() string   { return e.err.Error() }
func (e *classifiedError) Unwrap() []error { return []error{e.kind, e.err} }

// scriptReply is what Redis said of one of several jobs inside a script.
type scriptReply string

func (r scriptReply) Error() string { return string(r) }

// RedisError marks it as a reply.
func (r scriptReply) RedisError() {}

// wrapWrite says what was being done when Redis refused or failed; nil stays nil.
func wrapWrite(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bullmq: %s: %w", what, classified(ctx, err))
}
