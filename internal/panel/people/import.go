package people

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/internal/panel/site"
	directory "schoolbell/internal/people"
	"schoolbell/internal/upload"
)

var importPage = parse("import.html")

// importView is the form of an import, and what the import before has done.
type importView struct {
	site.Faults
	Done    *imported // nil before an import
	Columns []importColumn
}

// imported is what an import has done.
type imported struct {
	File                string
	Verdict             string
	Stopped             string // why it did not get to the end of the file; empty if it did
	New, Changed        int
	Unchanged, Rejected int
	Wrong               []directory.LineError
	Omitted             int // more of them
}

// importColumn is a column that a file may have.
type importColumn struct{ Name, Means, Example string }

var importColumns = []importColumn{
	{"id", "the id of the person; required", "par-20418"},
	{"name", "the name; required", "Yara Mossfield"},
	{"roles", "student, teacher, parent or staff; required", "parent;staff"},
	{"email", "the first email address", "yara@mossfield.example"},
	{"phone", "the first phone number", "+447700900142"},
	{"groups", "classes and other groups; those that are new are added", "5b;choir"},
	{"guardian_of", "ids of the students whose guardian the person is", "stu-1;stu-2"},
	{"locale", "the language, if it is not that of the school", "fr"},
	{"timezone", "the time zone, if it is not that of the school", "Europe/Paris"},
	{"addresses", "more addresses", "sms:+447700900143"},
}

func (p *Pages) showImport(c *site.Call) error {
	return p.writeImport(c, http.StatusOK, importView{})
}

func (p *Pages) writeImport(c *site.Call, status int, v importView) error {
	v.Columns = importColumns
	return p.site.Write(c, importPage, site.Spec{Title: "Import", Path: "people", Crumbs: []site.Crumb{{Name: "People", Path: "people"}}, Status: status}, v)
}

// importPeople imports a file while it arrives: nothing but a few rows of it is in memory at a time.
func (p *Pages) importPeople(c *site.Call) error {
	ctx, cancel := context.WithTimeout(c.Ctx(), upload.ImportTimeout)
	defer cancel()
	body := upload.New(ctx, c.R.Body, http.NewResponseController(c.W), upload.MaxImport, upload.ImportIdle)
	c.R.Body = io.NopCloser(body)
	var report directory.Report
	file, err := fileOf(c.R)
	if err == nil {
		report, err = p.cfg.People.Import(ctx, file, formatOf(file.FileName()))
	}
	change := ledger.ChangeOf(ctx)
	change.Set("imported", report.Imported)
	change.Set("updated", report.Updated)
	change.Set("unchanged", report.Unchanged)
	change.Set("rejected", report.Rejected)
	if err != nil {
		_, _ = io.Copy(io.Discard, body) // browsers look for the answer when they have sent everything
	}
	if err := body.Done(); err != nil {
		return err
	}
	begun := report.Imported+report.Updated+report.Rejected > 0
	if code := schoolbell.CodeOf(err); !begun && code == schoolbell.CodeInvalid {
		return p.refuseImport(c, err)
	} else if err != nil && !begun && code != schoolbell.CodeTooLarge {
		return err
	}
	return p.writeImported(c, newImported(file.FileName(), report, err), err)
}

// fileOf returns the file of a form, which has nothing else.
func fileOf(r *http.Request) (*multipart.Part, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, schoolbell.Invalid("file", "choose a file")
	}
	part, err := parts.NextPart()
	if err != nil || part.FormName() != "file" || part.FileName() == "" {
		return nil, schoolbell.Invalid("file", "choose a file")
	}
	return part, nil
}

// formatOf tells the format of a file by its name. Most are CSV, whatever programs call them.
func formatOf(name string) directory.Format {
	switch strings.ToLower(path.Ext(name)) {
	case ".ndjson", ".jsonl":
		return directory.FormatNDJSON
	}
	return directory.FormatCSV
}

// refuseImport says what is wrong with a file of which nothing was imported.
func (p *Pages) refuseImport(c *site.Call, err error) error {
	var texts []string
	for _, f := range schoolbell.FaultsOf(err) {
		switch f.Field {
		case "file":
			texts = append(texts, f.Message)
		case "header":
			texts = append(texts, "the first line "+f.Message)
		default:
			texts = append(texts, fmt.Sprintf("column %q: %s", f.Field, f.Message))
		}
	}
	fields := site.Fields{{Field: "file", Label: "File"}}
	return p.writeImport(c, http.StatusUnprocessableEntity, importView{Faults: fields.Faults(schoolbell.Invalid("file", "%s", strings.Join(texts, "; ")))})
}

// writeImported shows what an import has done until its end, or until it stopped.
func (p *Pages) writeImported(c *site.Call, done *imported, stopped error) error {
	status := http.StatusOK
	switch {
	case schoolbell.CodeOf(stopped) == schoolbell.CodeTooLarge:
		status = http.StatusUnprocessableEntity
	case stopped != nil:
		status = http.StatusServiceUnavailable
		p.site.Log.WarnContext(c.Ctx(), "an import in the panel stopped", "error", stopped)
	}
	return p.writeImport(c, status, importView{Done: done})
}

func newImported(file string, r directory.Report, stopped error) *imported {
	d := &imported{File: file, New: r.Imported, Changed: r.Updated - r.Unchanged, Unchanged: r.Unchanged, Rejected: r.Rejected, Wrong: r.Errors, Omitted: r.Omitted}
	for i := range d.Wrong {
		d.Wrong[i].Message = site.Sentence(d.Wrong[i].Message)
	}
	rows := r.Imported + r.Updated
	switch {
	case stopped != nil:
		d.Verdict, d.Stopped = site.Count(rows, "person was", "people were")+" imported before the import stopped", stopReason(stopped)
	case r.Rejected > 0:
		d.Verdict = site.Count(rows, "person is", "people are") + " imported, " + site.Count(r.Rejected, "row is", "rows are") + " left out"
	case len(r.Errors) > 0:
		d.Verdict = "Every person is imported, but not every link to a student"
	default:
		d.Verdict = "The whole file is imported"
	}
	return d
}

// stopReason says why an import stopped half-way, and what to do.
func stopReason(err error) string {
	if schoolbell.CodeOf(err) == schoolbell.CodeTooLarge {
		return site.Sentence(site.MessageOf(err))
	}
	if _, broken := errors.AsType[*upload.Broken](err); broken {
		return "The file did not arrive as a whole. Import it again."
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "It took longer than " + upload.ImportTimeout.String() + ". Split the file."
	}
	return "The ledger could not store more. Import the file again in a moment."
}
