package bullmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable reports that Redis cannot be reached or cannot serve at the moment. The
// connection broke or was refused, or waiting for a reply or for a connection of the pool
// timed out. Or the server is loading its data, is busy with a script, has too many clients,
// is cut off from its master or its Cluster, refuses changes ([ErrServerReadOnly]) or is full
// ([ErrServerFull]). The same call may succeed later. Every error of this package with such a
// cause matches it. Where the connection broke, a change may have been made.
//
// A context that has ended is returned as its own error and does not match. Neither does a
// closed client, redis.ErrClosed. A connection attempt that timed out may also match
// context.DeadlineExceeded, as errors of package net do, so check for ErrUnavailable first.
var ErrUnavailable = errors.New("bullmq: Redis is unavailable")

// Errors of servers that cannot hold queues, or not now. Nothing was changed.
var (
	// ErrServerTooOld reports that the server is older than Redis 6.2 and lacks commands
	// that the package needs.
	ErrServerTooOld = errors.New("bullmq: the Redis server is too old")
	// ErrServerReadOnly reports that the server is a replica, which refuses changes. It is
	// an [ErrUnavailable]: after a failover the client finds the master.
	ErrServerReadOnly = fmt.Errorf("%w: the server is a read-only replica", ErrUnavailable)
	// ErrServerFull reports that the server refuses changes because its memory is full or
	// because it cannot save to its disk. It is an [ErrUnavailable].
	ErrServerFull = fmt.Errorf("%w: the server has no room", ErrUnavailable)
	// ErrNoPermission reports that the server does not know its user or denies it a command
	// or key. Users need all commands on keys that begin with the prefix, and INFO.
	ErrNoPermission = errors.New("bullmq: the Redis server denies permission")
)

// passing are the first words of replies of a server that cannot serve now, except those that
// have their own error.
var passing = []string{
	"LOADING", "BUSY", "UNKILLABLE", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "ASK", "ERR max number of clients reached",
	// A connection that waits at a former master gets the first, and the second if it
	// returns to that server.
	"UNBLOCKED", "MOVED",
}

// deniedInScript begins the reply of servers to a command that is denied within a script.
const deniedInScript = "The user executing the script can't "

// kindOf returns the error of this package that err is a case of, nil if there is none.
func kindOf(err error) error {
	var reply redis.Error
	if !errors.As(err, &reply) {
		if err == nil || errors.Is(err, ErrInvalid) || errors.Is(err, redis.ErrClosed) {
			return nil
		}
		return ErrUnavailable // there was no reply
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

// begins reports whether a reply begins with one of the words or, as before Redis 7, has it as
// the reason why a script failed.
func begins(reply redis.Error, words ...string) bool {
	text := reply.Error() + " "
	for _, word := range words {
		if strings.HasPrefix(text, word+" ") || strings.HasPrefix(text, "ERR "+word+" ") || strings.HasPrefix(text, "ERR ") && strings.Contains(text, ": -"+word+" ") {
			return true
		}
	}
	return false
}

// isPassing reports whether an error passes with time, because Redis is unreachable or cannot
// serve.
func isPassing(err error) bool { return err != nil && errors.Is(kindOf(err), ErrUnavailable) }

// classified makes an error of Redis or of the client one of the package's errors where it
// can. An error that is due to the end of ctx becomes that of ctx.
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

// endOf returns why ctx has ended, nil if it has not. A connection with the same deadline may
// break just before ctx ends.
func endOf(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// classifiedError is an error of a server or a client with its kind.
type classifiedError struct{ kind, err error }

func (e *classifiedError) Error() string   { return e.err.Error() }
func (e *classifiedError) Unwrap() []error { return []error{e.kind, e.err} }

// scriptReply is the error reply for one of several jobs inside a script.
type scriptReply string

func (r scriptReply) Error() string { return string(r) }

// RedisError marks it as an error reply.
func (r scriptReply) RedisError() {}

// wrapWrite adds the operation that failed to an error. Nil stays nil.
func wrapWrite(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bullmq: %s: %w", what, classified(ctx, err))
}

// wrapRead adds what was being read to an error. Nil stays nil.
func wrapRead(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bullmq: read %s: %w", what, classified(ctx, err))
}

// exec sends a pipeline and returns the first error of its commands that is not redis.Nil. For
// a transaction, that is why a command was refused, not that the others were discarded.
func exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	for _, cmd := range cmds {
		if e := cmd.Err(); e != nil && !errors.Is(e, redis.Nil) && !redis.HasErrorPrefix(e, "EXECABORT") {
			return e
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// readError returns the first error of the commands of a pipeline. A key of another type,
// which other programs may leave, counts as absent.
func readError(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) && !isOtherType(err) {
			return err
		}
	}
	return nil
}

func isOtherType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// ErrDamagedKey reports that a key holds another type than the protocol requires, or no
// number where it should be a counter: another program has overwritten it. The text names
// the key and its type. Nothing was moved, and the same call works once the key is gone.
// [Queue.RenameDamaged] renames such keys.
var ErrDamagedKey = errors.New("bullmq: a key of the queue is damaged")
