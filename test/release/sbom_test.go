package release

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"schoolbell/internal/testenv"
)

// bom is what the test reads of a bill of materials in CycloneDX's JSON form.
type bom struct {
	Format      string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components   []component `json:"components"`
	Dependencies []struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	} `json:"dependencies"`
}

type component struct {
	Ref     string `json:"bom-ref"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	} `json:"hashes"`
}

func TestSBOM(t *testing.T) {
	t.Parallel()
	program, file := testenv.Binary(t), filepath.Join(t.TempDir(), "sbom.json")
	if out, status := run(t, nil, filepath.Join("scripts", "sbom.sh"), program, file, "v1.2.3"); status != 0 {
		t.Fatalf("status %d:\n%s", status, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || !strings.HasPrefix(b.SpecVersion, "1.") || b.Version < 1 {
		t.Errorf("%s %s, version %d", b.Format, b.SpecVersion, b.Version)
	}
	if c := b.Metadata.Component; c.Type != "application" || c.Name != "schoolbell" || c.Version != "v1.2.3" || c.Ref == "" {
		t.Errorf("it is about %+v", c)
	}
	var got []string
	refs := []string{b.Metadata.Component.Ref}
	for _, c := range b.Components {
		got = append(got, c.Name+" "+c.Version)
		refs = append(refs, c.Ref)
		if c.Type != "library" || !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@"+c.Version) {
			t.Errorf("component %+v", c)
		}
		if ours := c.Name == "std" || strings.HasPrefix(c.Name, "./"); !ours && (len(c.Hashes) == 0 || len(c.Hashes[0].Content) != 64) {
			t.Errorf("%s has no hash", c.Name)
		}
	}
	slices.Sort(got)
	if want := modulesOf(t, program); !slices.Equal(got, want) {
		t.Errorf("it lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	slices.Sort(refs)
	if unique := slices.Compact(slices.Clone(refs)); len(unique) != len(refs) {
		t.Error("references are not unique")
	}
	for _, d := range b.Dependencies {
		for _, ref := range append(d.DependsOn, d.Ref) {
			if _, known := slices.BinarySearch(refs, ref); !known {
				t.Errorf("a dependency names %s, which is no component", ref)
			}
		}
	}
}

// modulesOf are the modules that the Go tools built the program of, the standard library
// included, each with its version.
func modulesOf(t *testing.T, program string) (names []string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, "std "+info.GoVersion)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		names = append(names, m.Path+" "+m.Version)
	}
	if len(names) < 30 {
		t.Fatalf("only %d modules: the test does not see them", len(names))
	}
	slices.Sort(names)
	return names
}
