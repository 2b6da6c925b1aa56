package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// glossary explains the words that replaced these.
const glossary = "docs/glossary.md"

// phrases are banned in all text files: documents, help, log lines, API messages and comments. Those of a
// line, separated by commas, are replaced by the same words.
var phrases = []struct{ banned, instead string }{
	{"call off,calls off,called off,calling off,call it off,calls it off,call an event off,calls an event off,call the event off,calls the event off", "cancel"},
	{"in hand", "claimed, in flight or running"},
	{"once more", "again, retry or resend"},
	{"anew", "again, restart or rewrite"},
	{"back in line", "waiting"},
	{"whoever,whomever,whosever", "anybody who"},
	{"mend,mends,mended,mending", "fix"},
	{"withdraw,withdraws,withdrawn,withdrew,withdrawing", "revoke"},
	{"sign of life,signs of life", "heartbeat or keep-alive"},
	{"the house", "the project, the program or the runtime"},
	{"is to be done,is to be left,is to be closed,is to be none,is to be begun", "must be or should be"},
	{"redis is away,redis that is away,ledger is away,ledger that is away,ledger was away,server is away,server that is away,provider is away,database is away", "unavailable"},
	{"no mail leaves", "email is captured, not sent"},
	{"takes nothing from us", "rejects all mail"},
	{"figures for prometheus", "Prometheus metrics"},
	{"e mail,e mails", "email"},
	{"by itself,by themselves", "automatically, or nothing"},
	{"comes into being,come into being", "is created"},
	{"what became of", "the result or the status of"},
	{"all the same", "still or nevertheless"},
	{"to be had,for want of", "there is, for lack of"},
	{"without a word", "silently, or without a reply"},
	{"need be", "necessary"},
	{"one's own", "custom, or its own"},
	{"rules this out", "does not allow this"},
	{"refuses our", "rejects the"},
	{"throw jobs away,throws jobs away,throw jobs out", "evict jobs"},
	{"the rest goes in", "the rest are imported"},
	{"in clear", "unencrypted"},
	{"for the time being,at will", "temporarily; as needed"},
}

// plain writes a text in lower case with a space around each word, so that a phrase may span lines,
// also those of a comment, and other words that contain its words do not match.
func plain(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '\'' })
	return " " + strings.Join(words, " ") + " "
}

// bannedIn returns each banned phrase of a text with the words to use instead.
func bannedIn(text string) map[string]string {
	found := map[string]string{}
	text = plain(text)
	for _, p := range phrases {
		for phrase := range strings.SplitSeq(p.banned, ",") {
			if strings.Contains(text, " "+phrase+" ") {
				found[phrase] = p.instead
			}
		}
	}
	return found
}

// oldNames are identifiers that were renamed. They are banned as names of types, functions, methods and
// fields below a folder. Most are common words, so they stay free for local variables and text.
var oldNames = []struct {
	below, name, instead string
}{
	{"...", "letGo", "release"},
	{"...", "aboard", "inFlight"},
	{"...", "passage", "item"},
	{"...", "insist", "retryUntilStored"},
	{"...", "mend", "fix"},
	{"...", "Mend", "Fix"},
	{"...", "withdraw", "revoke or takeBack"},
	{"...", "house", "Runtime"},
	{"...", "ground", "infra"},
	{"...", "mailbook", "mailLog"},
	{"...", "patient", "upload.Body"},
	{"...", "attention", "wakeup"},
	{"internal/channel/...", "letter", "outgoing"},
	{"internal/app", "part", "Service"},
	{"internal/cli", "part", "Service"},
	{"internal/notify", "pace", "throttle"},
	{"internal/notify", "known", "eventOrFail"},
	{"internal/store/...", "standing", "eventState"},
	{"internal/store/...", "stand", "batchState"},
	{"internal/store/postgres", "turn", "lockEvent"},
	{"internal/channel/...", "link", "pooledConn"},
	{"bullmq", "pace", "fetchState"},
	{"bullmq", "hand", "inFlight"},
	{"bullmq", "judge", "parseServerInfo"},
}

func TestWords(t *testing.T) {
	t.Parallel()
	t.Run("text uses the terms of the glossary", testWordsGlossary)
	t.Run("renamed identifiers do not come back", testWordsIdentifiers)
	t.Run("banned phrases are found", testWordsPhrasesFound)
	t.Run("declared names are found", testWordsNamesFound)
}

func testWordsGlossary(t *testing.T) {
	t.Parallel()
	for _, f := range tracked(t) {
		if f.path == glossary || f.path == "internal/arch/words_test.go" || path.Base(f.path) == "package-lock.json" || inOtherLanguage(f.path) {
			continue
		}
		for phrase, instead := range bannedIn(string(f.text)) {
			t.Errorf("%s says %q; write %s (see %s)", f.path, phrase, instead, glossary)
		}
	}
}

// inOtherLanguage reports whether a file has words of the program in another language than English.
func inOtherLanguage(file string) bool {
	return path.Base(path.Dir(file)) == "words" && path.Base(file) != "en.json"
}

func testWordsIdentifiers(t *testing.T) {
	t.Parallel()
	for _, f := range tracked(t) {
		if !f.isGo() || f.generated() {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		names := declared(tree)
		for _, old := range oldNames {
			if fits(old.below, path.Dir(f.path)) && slices.Contains(names, old.name) {
				t.Errorf("%s declares %s; name it %s", f.path, old.name, old.instead)
			}
		}
	}
}

// declared returns the names of the types, functions, methods and fields of a file.
func declared(tree *ast.File) (names []string) {
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name.Name)
		case *ast.StructType:
			for _, field := range n.Fields.List {
				for _, name := range field.Names {
					names = append(names, name.Name)
				}
			}
		}
		return true
	})
	return names
}

func testWordsPhrasesFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Call an event off: it is over":   true,
		"the event was called off":        true,
		"// rows in\n// hand":             true,
		"Whoever reads this":              true,
		"Redis is away":                   true,
		"the mail server is away":         true,
		"a recommended way":               false,
		"amend the commit":                false,
		"renewed":                         false,
		"a line on the official page":     false,
		"it is called offline":            false,
		"in handlers":                     false,
		"the household":                   false,
		"call the office":                 false,
		"a job goes back in the queue":    false,
		"a parent is away on Friday":      false,
		"sent by E-Mail":                  true,
		"the queue itself":                false,
		"nothing is to begin before nine": false,
	} {
		found := len(bannedIn(text)) > 0
		if found != want {
			t.Errorf("%q: found %v, want %v", text, found, want)
		}
	}
}

func testWordsNamesFound(t *testing.T) {
	t.Parallel()
	tree, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\ntype a struct{ b, c int }\nfunc (a) d() { e := struct{ f int }{} }\nfunc g() {}", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(declared(tree), " "); got != "a b c d f g" {
		t.Errorf("found %s", got)
	}
}
