package browser

import (
	"os"
	"path/filepath"
	"testing"

	"schoolbell"
)

func TestPanelImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.account(t, "head@hollowbrook.example", "Oswin Hale", schoolbell.RoleAdmin)
	t.Run("a file is imported, and what is wrong is said by line", func(t *testing.T) { s.testImport(t, admin) })
	t.Run("axe-core finds nothing on any page", func(t *testing.T) { s.testImportAccessible(t, admin) })
	t.Run("senders do not import", s.testImportForSenders)
}

// imports chooses a file with a content and sends the form.
func (p *tab) imports(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), name)
	must(p.t, os.WriteFile(path, []byte(content), 0o600))
	var doc struct{ Root struct{ NodeID int } }
	p.call("DOM.getDocument", nil, &doc)
	var input struct{ NodeID int }
	p.call("DOM.querySelector", map[string]any{"nodeId": doc.Root.NodeID, "selector": "#file"}, &input)
	p.call("DOM.setFileInputFiles", map[string]any{"nodeId": input.NodeID, "files": []string{path}}, nil)
	p.goes(func() { p.submit("main form") })
	return p.text()
}

const fileOfPeople = "id,name,email,roles,groups,guardian_of\n" +
	"stu-9,Tamsin Ridgewell,,student,1a,\n" +
	"par-9,Hob <b>Ridgewell</b>,hob@ridgewell.example,parent,,stu-9;stu-99\n" +
	"par-10,Ben Orrow,ben.orrow@,parent,,\n"

// The form works without JavaScript.
func (s *site) testImport(t *testing.T, admin string) {
	p := s.signsIn(t, device{width: 1440}, admin, "people")
	contains(t, p.follows("Import"), "Columns of a CSV file", "guardian_of")
	contains(t, p.enters("main form", nil), "Nothing was saved", "File: Choose a file.")
	contains(t, p.imports("people.csv", "id,name,colour\na,A,red\n"), "Nothing was saved", `Column "colour": unknown column`)
	contains(t, p.imports("people.csv", fileOfPeople), "2 people are imported, 1 row is left out", "people.csv",
		"Line 3", "guardian_of[1]", `There is no user "stu-99"`, "Line 4", "email", "Must be an address such as")
	contains(t, p.imports("people.csv", fileOfPeople[:len(fileOfPeople)-len("par-10,Ben Orrow,ben.orrow@,parent,,\n")]), "but not every link to a student")
	contains(t, p.imports("people.ndjson", `{"id":"stu-9","name":"Tamsin Ridgewell","roles":["student"],"groups":["1a"]}`), "The whole file is imported", "Unchanged\n1")
	contains(t, p.follows("See the people"), "Hob <b>Ridgewell</b>", "Tamsin Ridgewell")
	p.visit(s.URL + "/panel/audit?action=user.import")
	contains(t, p.text(), "Oswin Hale")
}

func (s *site) testImportAccessible(t *testing.T, admin string) {
	for _, d := range devices {
		p := s.signsIn(t, d, admin, "import")
		s.axeFindsNothing(t, p, "panel-import-"+d.String())
		p.enters("main form", nil)
		s.axeFindsNothing(t, p, "panel-import-none-"+d.String())
		p.imports("people.csv", fileOfPeople)
		s.axeFindsNothing(t, p, "panel-import-faults-"+d.String())
		p.imports("people.csv", "id,name,roles\nstu-9,Tamsin Ridgewell,student\n")
		s.axeFindsNothing(t, p, "panel-import-done-"+d.String())
	}
}

func (s *site) testImportForSenders(t *testing.T) {
	sender := s.account(t, "office@hollowbrook.example", "Mara Tennick", schoolbell.RoleSender)
	p := s.signsIn(t, device{width: 1440}, sender, "import")
	contains(t, p.text(), "Your role does not allow this")
}
