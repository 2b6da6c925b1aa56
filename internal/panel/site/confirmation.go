package site

var confirmationPage = Parser(frameFiles, nil)("confirmation.html")

// Confirmation is a page that asks before something is done that cannot be undone, or that many people notice. Its form is sent to
// the URL of the page. It is the same with and without scripts.
type Confirmation struct {
	Title    string   // of the page, such as Remove
	Question string   // its heading
	About    string   // what it is about, as people or programs named it
	Code     bool     // a program named it
	Says     []string // what will happen
	Facts    []Fact   // what is known of what it is about; those that say nothing are left out
	Fields   []Field  // of the form, which nobody sees
	Choice   Choice   // that the form offers; without a name there is none
	Keep     string   // the answer that changes nothing
	Back     string   // page of the panel to which it leads
	Do       string   // the answer that does it; empty if it is not possible
	Harmless bool     // nothing is lost
}

// Fact is something that is known of a thing.
type Fact struct {
	Name, Text string
	Code       bool // the text is of a program
	When       Moment
}

// Field is a field of a form that nobody sees.
type Field struct{ Name, Value string }

// Choice is a box of a form.
type Choice struct{ Name, Text string }

// Confirm answers with a page that asks. It is below the pages of crumbs, and belongs to an item of the navigation.
func (s *Site) Confirm(c *Call, item string, crumbs []Crumb, v Confirmation) error {
	return s.Write(c, confirmationPage, Spec{Title: v.Title, Path: item, Crumbs: crumbs}, v)
}
