package panel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/internal/panel/site"
	"schoolbell/internal/people"
)

// importing takes imports as its function says.
type importing struct {
	noPeople
	take func(r io.Reader, format people.Format) (people.Report, error)
}

func (i importing) Import(_ context.Context, r io.Reader, format people.Format) (people.Report, error) {
	return i.take(r, format)
}

// sendFile posts a file that write writes, while the panel reads it.
func sendFile(s *Server, session, field, name string, write func(io.Writer) error) *httptest.ResponseRecorder {
	from, to := io.Pipe()
	form := multipart.NewWriter(to)
	go func() {
		part, err := form.CreateFormFile(field, name)
		if err == nil {
			err = write(part)
		}
		to.CloseWithError(errors.Join(err, form.Close()))
	}()
	r := httptest.NewRequest(http.MethodPost, "http://panel.example"+Root+"import", from)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: site.SessionCookie, Value: session})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	_ = from.Close() // what the panel has not read
	return w
}

func text(content string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, content); return err }
}

func TestImport(t *testing.T) {
	newImporting := func(t *testing.T, take func(io.Reader, people.Format) (people.Report, error)) *Server {
		cfg, _, n := guardedConfig("")
		cfg.People = importing{noPeople{n: n}, take}
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Run("rows are imported while the others arrive", func(t *testing.T) {
		first := make(chan string)
		s := newImporting(t, func(r io.Reader, _ people.Format) (people.Report, error) {
			in := bufio.NewReader(r)
			line, err := in.ReadString('\n')
			first <- line
			rest, _ := io.ReadAll(in)
			return people.Report{Imported: 1 + strings.Count(string(rest), "\n")}, err
		})
		w := sendFile(s, "admin", "file", "p.csv", func(w io.Writer) error {
			if _, err := io.WriteString(w, "one\n"); err != nil {
				return err
			}
			if got := <-first; got != "one\n" {
				return fmt.Errorf("read %q", got)
			}
			_, err := io.WriteString(w, strings.Repeat("more\n", 2_000))
			return err
		})
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, ">2,001<") || !strings.Contains(body, "The whole file is imported") {
			t.Errorf("%d\n%s", w.Code, body)
		}
	})
	t.Run("the name tells the format", func(t *testing.T) {
		for name, want := range map[string]people.Format{"p.csv": people.FormatCSV, "P.NDJSON": people.FormatNDJSON, "p.jsonl": people.FormatNDJSON, "roster": people.FormatCSV} {
			s := newImporting(t, func(_ io.Reader, format people.Format) (people.Report, error) {
				if format != want {
					t.Errorf("%s is %s", name, format)
				}
				return people.Report{}, nil
			})
			sendFile(s, "admin", "file", name, text("x"))
		}
	})
	t.Run("what stops an import is said", func(t *testing.T) {
		header := schoolbell.Faults{}
		header.Add("colour", "unknown column")
		for want, x := range map[string]struct {
			report people.Report
			err    error
			status int
		}{
			"Column &#34;colour&#34;: unknown column": {err: header, status: http.StatusUnprocessableEntity},
			"Split the file":                  {people.Report{Imported: 3}, &schoolbell.Error{Code: schoolbell.CodeTooLarge, Message: "too many rows. Split the file"}, http.StatusUnprocessableEntity},
			"The ledger could not store more": {people.Report{Imported: 3}, errors.New("secret of the ledger"), http.StatusServiceUnavailable},
			"Something went wrong here":       {people.Report{}, errors.New("secret of the ledger"), http.StatusInternalServerError},
			"3 people are imported, 1 row is": {people.Report{Imported: 3, Rejected: 1, Errors: []people.LineError{{Line: 2, Field: "<i>", Message: "<b>"}}}, nil, http.StatusOK},
			"but not every link to a student": {people.Report{Imported: 3, Errors: []people.LineError{{Line: 2, Field: "guardian_of[0]", Message: "x"}}, Omitted: 2}, nil, http.StatusOK},
			"And 2 more.":                     {people.Report{Imported: 3, Errors: []people.LineError{{Line: 2, Field: "guardian_of[0]", Message: "x"}}, Omitted: 2}, nil, http.StatusOK},
		} {
			s := newImporting(t, func(io.Reader, people.Format) (people.Report, error) { return x.report, x.err })
			w := sendFile(s, "admin", "file", "p.csv", text("x"))
			if body := w.Body.String(); w.Code != x.status || !strings.Contains(body, want) || strings.Contains(body, "secret") || strings.Contains(body, "<i>") {
				t.Errorf("want %d %s, got %d\n%s", x.status, want, w.Code, body)
			}
		}
	})
	t.Run("a form without a file is refused", func(t *testing.T) {
		s := newImporting(t, func(io.Reader, people.Format) (people.Report, error) {
			t.Error("imported")
			return people.Report{}, nil
		})
		for _, x := range [][2]string{{"file", ""}, {"other", "p.csv"}} {
			if w := sendFile(s, "admin", x[0], x[1], text("")); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Choose a file") {
				t.Errorf("%v: %d\n%s", x, w.Code, w.Body)
			}
		}
		if w := ask(s, http.MethodPost, Root+"import", "admin", map[string][]string{"file": {"x"}}, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("a plain form: %d", w.Code)
		}
	})
	t.Run("nobody but admins imports", func(t *testing.T) {
		s := newImporting(t, func(io.Reader, people.Format) (people.Report, error) {
			t.Error("imported")
			return people.Report{}, nil
		})
		for _, session := range []string{"viewer", "sender", "sender in 7a"} {
			if w := sendFile(s, session, "file", "p.csv", text("x")); w.Code != http.StatusForbidden {
				t.Errorf("%s: %d", session, w.Code)
			}
		}
	})
}
