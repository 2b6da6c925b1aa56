package cli

import (
	"context"
	"fmt"
	"net/http"

	"schoolbell/client"
	"schoolbell/wire"
)

type eventImportCmd struct {
	remote
	File   string `arg:"" name:"file" help:"File with a JSON array of events in the form of the API, or with one event per line. - is standard input."`
	Format string `name:"format" placeholder:"FORMAT" help:"Format, json or ndjson, if the file name does not tell."`
}

// Run creates events. Invalid ones are reported; the rest are created.
func (c *eventImportCmd) Run(ctx context.Context, a *program) error {
	media, err := mediaTypeOf(c.File, c.Format, fileFormat{"json", client.JSON}, fileFormat{"ndjson", client.NDJSON})
	if err != nil {
		return err
	}
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	in, err := a.open(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	results, err := server.ImportEvents(ctx, in, media)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := a.printJSON(wire.BulkResults{Results: results}); err != nil {
			return err
		}
	}
	created, existing, rejected := countResults(results)
	if !c.JSON {
		a.say("%s created, %s existed already, %s rejected", number(created), number(existing), number(len(rejected)))
		a.printRejected(rejected)
	}
	if len(rejected) > 0 {
		return quietError{}
	}
	return nil
}

func countResults(results []wire.BulkResult) (created, existing int, rejected []wire.BulkResult) {
	for _, r := range results {
		switch {
		case r.Problem != nil:
			rejected = append(rejected, r)
		case r.Status == http.StatusOK:
			existing++
		default:
			created++
		}
	}
	return created, existing, rejected
}

// printRejected shows the first fault of each event, with its position in the file.
func (a *program) printRejected(rejected []wire.BulkResult) {
	if len(rejected) == 0 {
		return
	}
	a.say("")
	t := newTable("EVENT#", "FIELD", "PROBLEM")
	for _, r := range rejected {
		field, message := "", r.Problem.Detail
		if len(r.Problem.Fields) > 0 {
			field, message = r.Problem.Fields[0].Field, r.Problem.Fields[0].Message
		}
		t.add(fmt.Sprint(r.Index+1), field, message)
	}
	t.print(a.Out, a.style)
}
