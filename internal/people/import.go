package people

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"schoolbell"
)

const (
	batchRows      = 500      // users stored in one transaction
	maxListed      = 1000     // errors listed in a report
	maxRecordBytes = 64 << 10 // one line of NDJSON, one record of CSV
	settleTimeout  = 30 * time.Second
)

// Format is how an import is written.
type Format string

// The formats of imports.
const (
	FormatNDJSON Format = "ndjson" // one JSON object a line, as PUT takes it, with "id"
	FormatCSV    Format = "csv"    // a header, then one user a record; lists are separated by ; or |
)

// Report says what an import did.
type Report struct {
	Imported int         `json:"imported"`                 // users that are new
	Updated  int         `json:"updated"`                  // users that were there before and have been replaced
	Rejected int         `json:"rejected"`                 // rows left out
	Errors   []LineError `json:"errors"`                   // what was wrong, in order of line
	Omitted  int         `json:"errors_omitted,omitempty"` // errors beyond the number that is listed
}

// LineError is one fault in an imported file.
type LineError struct {
	Line    int    `json:"line"` // where the row begins, from 1; a CSV header counts
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Import reads users from r and stores them as they come, some hundred in a
// transaction, so that memory does not grow with the rows (save for a note of
// each id). Rows that are wrong are reported and left out; the rest goes in.
// Students whom GuardianOf names may stand anywhere in the file; those found
// nowhere are reported and the link alone is left out.
//
// An error means that the import stopped half-way because r or the store failed,
// or did not begin because a CSV header is wrong. The report says what was done
// until then; importing the file once more is harmless.
func (s *Service) Import(ctx context.Context, r io.Reader, format Format) (Report, error) {
	im := &importer{store: s.store, firstLine: map[string]int{}, wanted: map[string][]reference{}}
	im.report.Errors = []LineError{}
	var src source
	switch format {
	case FormatNDJSON:
		src = newNDJSON(r)
	case FormatCSV:
		src = newCSV(r)
	default:
		return im.report, schoolbell.Invalid("format", "unknown import format %q", format)
	}
	err := im.run(ctx, src)
	// What is stored must not keep links to nobody, even if the caller has gone.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err = errors.Join(err, im.settle(settle))
	slices.SortStableFunc(im.report.Errors, func(a, b LineError) int { return a.Line - b.Line })
	return im.report, err
}

// source reads users from a file, one a call. Faults mean that this row is wrong
// and that reading may go on. After an error it must not: io.EOF is the end of the
// file, *unreadable a place after which nothing can be understood.
type source interface {
	next() (line int, u *schoolbell.User, faults []LineError, err error)
}

type unreadable struct{ LineError }

func (e *unreadable) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// importer is one import under way.
type importer struct {
	store     Store
	report    Report
	firstLine map[string]int         // where each accepted id stood
	wanted    map[string][]reference // students named by stored rows and not stored by this import so far
	lines     []int                  // of the batch
	batch     []*schoolbell.User
}

// reference is the place that names a student.
type reference struct{ line, index int }

func (im *importer) run(ctx context.Context, src source) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, u, faults, err := src.next()
		if err != nil {
			err = im.ended(err)
			return errors.Join(err, im.flush(ctx))
		}
		if len(faults) == 0 {
			faults = im.check(line, u)
		}
		if len(faults) > 0 {
			im.report.Rejected++
			im.list(faults...)
			continue
		}
		im.firstLine[u.ID] = line
		im.lines, im.batch = append(im.lines, line), append(im.batch, u)
		if len(im.batch) == batchRows {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// ended tells a file's own end from a failure to read it.
func (im *importer) ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if bad, ok := errors.AsType[*unreadable](err); ok {
		im.report.Rejected++
		im.list(bad.LineError)
		return nil
	}
	return fmt.Errorf("read the import: %w", err)
}

func (im *importer) check(line int, u *schoolbell.User) (faults []LineError) {
	u.Normalize()
	for _, f := range faultsOf(validate(u)) {
		faults = append(faults, LineError{line, f.Field, f.Message})
	}
	if first, dup := im.firstLine[u.ID]; dup && len(faults) == 0 {
		faults = append(faults, LineError{line, "id", fmt.Sprintf("%q is on line %d already", u.ID, first)})
	}
	return faults
}

func (im *importer) flush(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	changes, err := im.store.PutUsers(ctx, im.batch)
	if err != nil {
		return fmt.Errorf("store lines %d to %d: %w", im.lines[0], im.lines[len(im.lines)-1], err)
	}
	for _, c := range changes {
		if c == schoolbell.ChangeCreated {
			im.report.Imported++
		} else {
			im.report.Updated++
		}
	}
	for n, u := range im.batch {
		delete(im.wanted, u.ID)
		for i, student := range u.GuardianOf {
			if _, here := im.firstLine[student]; !here {
				im.wanted[student] = append(im.wanted[student], reference{im.lines[n], i})
			}
		}
	}
	im.lines, im.batch = im.lines[:0], im.batch[:0]
	return nil
}

// settle reports the students that are neither in the file nor in the ledger,
// and forgets the links to them.
func (im *importer) settle(ctx context.Context) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(im.wanted)), batchRows) {
		unknown, err := im.store.UnknownUsers(ctx, ids)
		if err != nil {
			return fmt.Errorf("look for the students of guardians: %w", err)
		}
		if len(unknown) == 0 {
			continue
		}
		if err := im.store.DropGuardianships(ctx, unknown); err != nil {
			return fmt.Errorf("forget the guardians of unknown students: %w", err)
		}
		for _, id := range unknown {
			for _, at := range im.wanted[id] {
				im.list(LineError{at.line, fmt.Sprintf("guardian_of[%d]", at.index),
					fmt.Sprintf("there is no user %q; the row went in without this link", id)})
			}
		}
	}
	return nil
}

func (im *importer) list(faults ...LineError) {
	for _, f := range faults {
		if len(im.report.Errors) < maxListed {
			im.report.Errors = append(im.report.Errors, f)
		} else {
			im.report.Omitted++
		}
	}
}

// faultsOf returns the single faults of what a Validate returned.
func faultsOf(err error) []*schoolbell.Error {
	if f, ok := errors.AsType[schoolbell.Faults](err); ok {
		return f
	}
	if f, ok := errors.AsType[*schoolbell.Error](err); ok {
		return []*schoolbell.Error{f}
	}
	return nil
}
