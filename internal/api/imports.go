package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/people"
	"schoolbell/wire"
)

// The usual [Config.ImportIdle] and [Config.ImportTimeout].
const (
	importIdle    = time.Minute
	importTimeout = 30 * time.Minute
)

// errImportTimeout is the cause of an import's context that has ended.
var errImportTimeout = errors.New("the import takes too long")

var importTypes = map[string]people.Format{
	"application/x-ndjson": people.FormatNDJSON,
	"application/ndjson":   people.FormatNDJSON,
	"text/csv":             people.FormatCSV,
}

// importInput takes the request's body as a stream; huma would read all of it.
type importInput struct {
	ContentType string `header:"Content-Type"`
	body        io.Reader
	answer      *http.ResponseController
	encoding    *problem // if the body is compressed
}

// Resolve gets hold of the body.
func (in *importInput) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	in.body, in.answer, in.encoding = r.Body, http.NewResponseController(w), checkEncoding(r)
	return nil
}

type importOutput struct{ Body *wire.ImportReport }

func (s *Server) importUsers(ctx context.Context, in *importInput) (*importOutput, error) {
	mediaType, _, err := mime.ParseMediaType(in.ContentType)
	format, known := importTypes[mediaType]
	if err != nil || !known {
		return nil, newProblem(codeMedia, "send Content-Type: text/csv or application/x-ndjson")
	}
	if in.encoding != nil {
		return nil, in.encoding
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.ImportTimeout, errImportTimeout)
	defer cancel()
	body := &slowBody{ctx: ctx, from: in.body, answer: in.answer, left: s.cfg.MaxImportBytes, idle: s.cfg.ImportIdle}
	report, err := s.cfg.People.Import(ctx, body, format)
	change := ledger.ChangeOf(ctx)
	change.Set("imported", report.Imported)
	change.Set("updated", report.Updated)
	change.Set("rejected", report.Rejected)
	if err == nil {
		return &importOutput{reportOf(report)}, body.done()
	}
	return nil, s.importProblem(ctx, err, report)
}

func reportOf(r people.Report) *wire.ImportReport {
	out := &wire.ImportReport{Imported: r.Imported, Updated: r.Updated, Rejected: r.Rejected, Omitted: r.Omitted,
		Errors: make([]wire.ImportError, 0, len(r.Errors))}
	for _, e := range r.Errors {
		out.Errors = append(out.Errors, wire.ImportError(e))
	}
	return out
}

// importProblem says why an import stopped and what it had done by then.
func (s *Server) importProblem(ctx context.Context, err error, report people.Report) *problem {
	var p *problem
	broken, ok := errors.AsType[*brokenBody](err)
	switch {
	case errors.Is(context.Cause(ctx), errImportTimeout):
		p = newProblem(codeTimeout, "the import took longer than "+s.cfg.ImportTimeout.String()+"; split the file")
	case ok:
		p = bodyProblem(broken)
	default:
		p = s.problem(ctx, err)
	}
	if report.Imported+report.Updated+report.Rejected > 0 {
		p.Detail += fmt.Sprintf("; %d rows were imported before that. It is safe to import the file again", report.Imported+report.Updated)
		p.Import = reportOf(report)
	}
	return p
}

// slowBody reads a body that may take long as a whole but must not stall, up to a limit.
type slowBody struct {
	ctx    context.Context // ends when the body has taken too long
	from   io.Reader
	answer *http.ResponseController
	left   int64
	idle   time.Duration
}

// brokenBody is an error in reading what the client sends.
type brokenBody struct{ error }

func (e *brokenBody) Unwrap() error { return e.error }

func (s *slowBody) Read(b []byte) (int, error) {
	if s.left <= 0 {
		var one [1]byte
		if n, err := s.from.Read(one[:]); n == 0 && errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		return 0, &schoolbell.Error{Code: schoolbell.CodeTooLarge, Message: "the import is larger than its limit; split the file"}
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	now := time.Now()
	err := errors.Join(s.answer.SetReadDeadline(now.Add(s.idle)), s.answer.SetWriteDeadline(now.Add(2*s.idle)))
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // a server without deadlines, such as one in a test
		return 0, fmt.Errorf("set the deadline of a body: %w", err)
	}
	n, err := s.from.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenBody{err}
	}
	return n, err
}

// done gives the answer its time: the last deadline may be nearly over.
func (s *slowBody) done() error {
	if err := s.answer.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set the deadline of an answer: %w", err)
	}
	return nil
}
