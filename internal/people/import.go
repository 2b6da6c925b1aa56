package people

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"schoolbell"
)

const (
	settleRows     = 500      // students looked up at once
	maxListed      = 100      // errors listed in a report
	maxRecordBytes = 64 << 10 // one line of NDJSON, one record of CSV
	settleTimeout  = 30 * time.Second
)

// Limits on what an import keeps in memory: some 40 bytes a row and 120 bytes a link.
const (
	MaxImportRows  = 1_000_000
	MaxImportLinks = 250_000 // to students whose own rows have not come yet
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
	Imported  int         // users that are new
	Updated   int         // users that were there before and have been replaced
	Unchanged int         // those of Updated who are as before
	Rejected  int         // rows left out
	Errors    []LineError // what was wrong, in order of line
	Omitted   int         // errors beyond the number that is listed
}

// LineError is one fault in an imported file.
type LineError struct {
	Line    int // where the row begins, from 1; a CSV header counts
	Field   string
	Message string
}

// Import reads users from r and stores them as they come, some hundred or
// thousand in a transaction, while it reads the next ones. Invalid rows are reported by line;
// the rest are imported.
// Students whom GuardianOf names may stand anywhere in the file; those found
// nowhere are reported and the link alone is left out.
//
// An error means that the import stopped half-way because r or the store failed or
// a limit was reached (CodeTooLarge), or did not begin because a CSV header is wrong.
// The report says what was done until then; importing the file again is harmless.
func (s *Service) Import(ctx context.Context, r io.Reader, format Format) (Report, error) {
	im := &importer{Service: s, seed: maphash.MakeSeed(), firstLine: map[uint64]uint32{}, wanted: map[string][]reference{}}
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
	channels, err := s.school.Channels(ctx)
	if err != nil {
		return im.report, fmt.Errorf("read the channels: %w", err)
	}
	im.channels = channels
	err = im.run(ctx, src)
	// What is stored must not keep links to nobody, even if the caller has gone.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err = errors.Join(err, im.settle(settle))
	slices.SortStableFunc(im.report.Errors, byLine)
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

// importer is one import under way. One goroutine reads and checks rows while another one
// stores the batch before.
type importer struct {
	*Service
	report   Report               // Imported, Updated and Unchanged belong to the storing goroutine, the rest to the reading one
	channels []schoolbell.Channel // that addresses may have

	// firstLine is where each accepted id stood, by the hash of the id: a million ids
	// would take five times the memory, and two of them have the same hash once in 30
	// million imports. It belongs to the reading goroutine.
	firstLine map[uint64]uint32
	seed      maphash.Seed

	// They belong to the storing goroutine.
	wanted map[string][]reference // students named by stored rows and not stored by this import so far
	links  int                    // references in wanted
}

func (im *importer) hash(id string) uint64 { return maphash.String(im.seed, id) }

// run reads the whole file and stores its rows.
func (im *importer) run(ctx context.Context, src source) error {
	queue, stored := newRowQueue(), make(chan error, 1)
	go func() {
		defer queue.stop() // also the reading
		stored <- im.storeAll(ctx, queue)
	}()
	err := im.read(ctx, src, queue)
	if err == nil {
		err = ctx.Err()
	}
	queue.close()
	return errors.Join(err, <-stored)
}

// read reads and checks rows and puts them into the queue. It ends early when storing has failed.
func (im *importer) read(ctx context.Context, src source, queue *rowQueue) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, u, faults, err := src.next()
		if err != nil {
			return im.ended(err)
		}
		if len(faults) == 0 {
			faults = im.check(line, u)
		}
		if len(faults) > 0 {
			im.report.Rejected++
			im.list(faults...)
			continue
		}
		if len(im.firstLine) == im.maxRows {
			return tooMany("%d rows; split the file", im.maxRows)
		}
		im.firstLine[im.hash(u.ID)] = uint32(line)
		if !queue.put(line, u, im.lateStudents(line, u)) {
			return nil // run knows why
		}
	}
}

// lateStudents returns the students whom a row names and whose own rows have not come yet.
func (im *importer) lateStudents(line int, u *schoolbell.User) (late []lateStudent) {
	for i, student := range u.GuardianOf {
		if _, here := im.firstLine[im.hash(student)]; !here {
			late = append(late, lateStudent{student, reference{int32(line), int32(i)}})
		}
	}
	return late
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
	im.normalize(u)
	for _, f := range schoolbell.FaultsOf(validate(u)) {
		faults = append(faults, LineError{line, f.Field, f.Message})
	}
	for i, a := range u.Addresses {
		if a.Channel.Valid() && !slices.Contains(im.channels, a.Channel) {
			faults = append(faults, LineError{line, fmt.Sprintf("addresses[%d].channel", i), fmt.Sprintf("there is no channel %q", a.Channel)})
		}
	}
	if first, dup := im.firstLine[im.hash(u.ID)]; dup && len(faults) == 0 {
		faults = append(faults, LineError{line, "id", fmt.Sprintf("%q is already on line %d", u.ID, first)})
	}
	return faults
}

// storeAll stores batches until there are no more or one cannot be stored.
func (im *importer) storeAll(ctx context.Context, queue *rowQueue) error {
	for b := queue.take(); b != nil; b = queue.take() {
		if err := im.storeBatch(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) storeBatch(ctx context.Context, b *batch) error {
	changes, err := im.store.PutUsers(ctx, b.users)
	if err != nil {
		return fmt.Errorf("store lines %d to %d: %w", b.lines[0], b.lines[len(b.lines)-1], err)
	}
	for _, c := range changes {
		switch c {
		case schoolbell.ChangeCreated:
			im.report.Imported++
		case schoolbell.ChangeNone:
			im.report.Unchanged++
			im.report.Updated++
		default:
			im.report.Updated++
		}
	}
	for _, late := range b.late {
		id := strings.Clone(late.id) // not the whole row
		im.wanted[id] = append(im.wanted[id], late.at)
	}
	if im.links += len(b.late); im.links > 0 {
		for _, u := range b.users {
			im.links -= len(im.wanted[u.ID])
			delete(im.wanted, u.ID)
		}
	}
	if im.links > im.maxLinks {
		return tooMany("%d links to students whose rows come later; put students before their guardians, or split the file", im.maxLinks)
	}
	return nil
}

func tooMany(format string, args ...any) error {
	return &schoolbell.Error{Code: schoolbell.CodeTooLarge, Message: "the import has more than " + fmt.Sprintf(format, args...)}
}

// settle reports the students that are neither in the file nor in the ledger,
// and forgets the links to them.
func (im *importer) settle(ctx context.Context) error {
	var faults []LineError
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(im.wanted)), settleRows) {
		unknown, err := im.store.UnknownUsers(ctx, ids)
		if err != nil {
			return fmt.Errorf("find the students of guardians: %w", err)
		}
		if len(unknown) == 0 {
			continue
		}
		if err := im.store.DropGuardianships(ctx, unknown); err != nil {
			return fmt.Errorf("remove links to unknown students: %w", err)
		}
		for _, id := range unknown {
			for _, at := range im.wanted[id] {
				faults = append(faults, LineError{int(at.line), fmt.Sprintf("guardian_of[%d]", at.index),
					fmt.Sprintf("there is no user %q; the row was imported without this link", id)})
			}
		}
	}
	slices.SortStableFunc(faults, byLine)
	im.list(faults...)
	return nil
}

func byLine(a, b LineError) int { return a.Line - b.Line }

func (im *importer) list(faults ...LineError) {
	for _, f := range faults {
		if len(im.report.Errors) < maxListed {
			im.report.Errors = append(im.report.Errors, f)
		} else {
			im.report.Omitted++
		}
	}
}
