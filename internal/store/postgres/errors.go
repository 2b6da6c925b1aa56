package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"schoolbell"
)

// SQLSTATEs that mean something to us.
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
	serializationFailed = "40001"
	deadlockDetected    = "40P01"
	badCharacter        = "22021" // as a zero byte in a text
	queryCanceled       = "57014"
	invalidPassword     = "28P01"
	invalidRole         = "28000" // no such user, or not from here
	forbidden           = "42501"
	noSuchFunction      = "42883"
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// Refusal returns what the server said when it refused to serve us; ok is false for
// an error that did not come from the server.
func Refusal(err error) (reason string, ok bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return "", false
	}
	switch e.Code {
	case invalidPassword, invalidRole:
		return "it rejects the login", true
	}
	return e.Message, true
}

// RefusedTLS reports whether the server refused a connection with TLS. The driver has
// no error of its own for it.
func RefusedTLS(err error) bool { return strings.Contains(err.Error(), "refused TLS") }

// isForeignKey reports whether a row names another one that is not there, or is named by one.
func isForeignKey(err error) bool { return sqlState(err) == foreignKeyViolation }

// passing reports whether trying again may help at once: the transaction lost
// against another one, or its connection was dead before anything was sent.
func passing(err error) bool {
	switch sqlState(err) {
	case serializationFailed, deadlockDetected:
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	return pgconn.SafeToRetry(err) && !isContext(err)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// wrap adds what was being done, and classifies an unavailable database.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*schoolbell.Error](err); ok {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	switch {
	case sqlState(err) == badCharacter:
		return &schoolbell.Error{Code: schoolbell.CodeInvalid, Message: "must be UTF-8 without zero bytes", Err: err}
	case away(err):
		return &schoolbell.Error{Code: schoolbell.CodeUnavailable, Message: "the ledger's database cannot be used", Err: err}
	}
	return err
}

// away reports whether err says that the database cannot be reached or will not serve us now.
func away(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if state := sqlState(err); state != "" {
		switch state[:2] {
		case "08", "53", "28", "3D", "40": // connection, resources, credentials, no such database, lost again and again
			return true
		case "57": // operator intervention
			return state != queryCanceled
		}
		return state == "25006" // read only: no longer, or not yet, the primary
	}
	if isContext(err) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, puddle.ErrClosedPool)
}

// orNotFound turns "no rows" into the not-found error of a thing.
func orNotFound(err error, thing, id string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return schoolbell.NotFound(thing, id)
	}
	return err
}

// stored is a time as it is stored; the zero time is null.
func stored(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = schoolbell.Time(t)
	return &t
}

// timeOf is the inverse of stored.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// duration is a stretch of time that SQL gave as milliseconds.
func duration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
