package people_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
	"schoolbell/internal/people"
)

func BenchmarkImport(b *testing.B) {
	const rows = 10_000
	var ndjson, csv strings.Builder
	csv.WriteString("id,name,email,phone,roles,groups,locale,timezone\n")
	for i := range rows {
		fmt.Fprintf(&ndjson, `{"id":"u%d","name":"Name of %d","email":"u%d@example.org","phone":"+4420794%05d","roles":["student"],"groups":["class%d"],"locale":"en","timezone":"Europe/London"}`+"\n",
			i, i, i, i, i/30)
		fmt.Fprintf(&csv, "u%d,Name of %d,u%d@example.org,+4420794%05d,student,class%d,en,Europe/London\n", i, i, i, i, i/30)
	}
	for format, file := range map[people.Format]string{people.FormatNDJSON: ndjson.String(), people.FormatCSV: csv.String()} {
		b.Run(string(format), func(b *testing.B) {
			service := people.New(nowhere{}, noSchool{}, slog.Default())
			for b.Loop() {
				got, err := service.Import(b.Context(), strings.NewReader(file), format)
				must(b, err)
				if got.Rejected > 0 {
					b.Fatalf("%+v", got)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func FuzzNDJSON(f *testing.F) {
	f.Add([]byte(`{"id":"a","name":"A","roles":["parent"],"guardian_of":["x"]}` + "\n\n{}\n[1]"))
	f.Add([]byte("\ufeff{\"id\":\"a\"\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := people.New(nowhere{}, noSchool{}, slog.Default()).Import(context.Background(), bytes.NewReader(file), people.FormatNDJSON)
		must(t, err)
		if rows := got.Imported + got.Updated + got.Rejected; rows > bytes.Count(file, []byte("\n"))+1 {
			t.Errorf("%d rows from %d bytes", rows, len(file))
		}
	})
}

// FuzzPlainObject holds our reader of plain objects to encoding/json.
func FuzzPlainObject(f *testing.F) {
	f.Add([]byte(`{"id":"a","name":"Zoë","roles":["parent"],"groups":[],"guardian_of":["x","y"],"email":"","phone":"1","locale":"de","timezone":"Europe/Berlin"}`))
	f.Add([]byte(` { "id" : "a" , "name" : "A" } `))
	f.Add([]byte(`{"id":"a","id":"b"}`))
	f.Add([]byte(`{"id":"a","name":"\u00e9"}`))
	f.Add([]byte(`{"id":"a","roles":["parent",]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got, plain := people.ParsePlain(line)
		if !plain {
			return
		}
		want, faults := people.ParseObject(1, line)
		if diff := cmp.Diff(want, got); diff != "" || len(faults) > 0 {
			t.Errorf("%q: %v %s", line, faults, diff)
		}
	})
}

// FuzzCSV holds our reader to the standard library's wherever that accepts a file of good users.
func FuzzCSV(f *testing.F) {
	f.Add("id,name,roles\na,A,parent\nb,\"B, \"\"b\"\"\",student\r\n")
	f.Add("id,name\n\"a\n,\",x")
	f.Add("\"id\" ,name\n")
	f.Fuzz(func(t *testing.T, file string) {
		got, err := people.New(nowhere{}, noSchool{}, slog.Default()).Import(context.Background(), strings.NewReader(file), people.FormatCSV)
		if err != nil {
			if schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		slowly, err := people.New(nowhere{}, noSchool{}, slog.Default()).Import(context.Background(), iotest.OneByteReader(strings.NewReader(file)), people.FormatCSV)
		if diff := cmp.Diff(got, slowly); diff != "" || err != nil {
			t.Errorf("byte by byte: %v %s", err, diff)
		}
		theirs := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff")))
		theirs.FieldsPerRecord = -1
		records, err := theirs.ReadAll()
		if rows := got.Imported + got.Updated + got.Rejected; err == nil && !strings.Contains(file, " ") && rows > len(records) {
			t.Errorf("%d rows, encoding/csv finds %d records", rows, len(records)-1)
		}
	})
}
