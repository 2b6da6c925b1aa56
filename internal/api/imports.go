package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"schoolbell/internal/ledger"
	"schoolbell/internal/people"
	"schoolbell/internal/upload"
	"schoolbell/wire"
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
	body := upload.New(ctx, in.body, in.answer, s.cfg.MaxImportBytes, s.cfg.ImportIdle)
	report, err := s.cfg.People.Import(ctx, body, format)
	change := ledger.ChangeOf(ctx)
	change.Set("imported", report.Imported)
	change.Set("updated", report.Updated)
	change.Set("unchanged", report.Unchanged)
	change.Set("rejected", report.Rejected)
	if err == nil {
		return &importOutput{reportOf(report)}, body.Done()
	}
	return nil, s.importProblem(ctx, err, report)
}

func reportOf(r people.Report) *wire.ImportReport {
	out := &wire.ImportReport{Imported: r.Imported, Updated: r.Updated, Rejected: r.Rejected, Unchanged: r.Unchanged, Omitted: r.Omitted,
		Errors: make([]wire.ImportError, 0, len(r.Errors))}
	for _, e := range r.Errors {
		out.Errors = append(out.Errors, wire.ImportError(e))
	}
	return out
}

// importProblem says why an import stopped and what it had done by then.
func (s *Server) importProblem(ctx context.Context, err error, report people.Report) *problem {
	var p *problem
	broken, ok := errors.AsType[*upload.Broken](err)
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
