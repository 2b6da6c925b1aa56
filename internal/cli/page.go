package cli

import "schoolbell/client"

// pageFlags are the flags of commands that list rows.
type pageFlags struct {
	Limit  int    `name:"limit" default:"20" placeholder:"N" help:"Maximum number of rows."`
	Cursor string `name:"cursor" placeholder:"CURSOR" help:"Cursor of the next page, as the previous page printed it."`
}

func (f *pageFlags) page() client.Page { return client.Page{Limit: f.Limit, Cursor: f.Cursor} }

// more says how to get the next page, if there is one.
func (a *program) more(next string) {
	if next != "" {
		a.say("%s", a.style.dim("More rows: --cursor "+next))
	}
}
