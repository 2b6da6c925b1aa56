package schoolbell_test

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"schoolbell"
)

// ada returns a valid user, changed.
func ada(change func(*schoolbell.User)) schoolbell.User {
	u := schoolbell.User{ID: "ada", Name: "Ada Lovelace", Roles: []schoolbell.Role{schoolbell.RoleParent}}
	change(&u)
	return u
}

func TestUserValidate(t *testing.T) {
	t.Parallel()
	type user = schoolbell.User
	for _, c := range []struct {
		name   string
		change func(*user)
		want   []string
	}{
		{"name and role are enough", func(*user) {}, nil},
		{"everything set is fine", func(u *user) {
			u.Email, u.Phone, u.Locale, u.Timezone = "ada@example.org", "+442079460018", "pt-BR", "Asia/Kathmandu"
			u.Groups, u.GuardianOf = []string{"7b", "choir"}, []string{"byron.1"}
		}, nil},
		{"no id", func(u *user) { u.ID = "" }, []string{"id"}},
		{"the longest id is fine", func(u *user) { u.ID = strings.Repeat("a", schoolbell.MaxIDLength) }, nil},
		{"an id too long", func(u *user) { u.ID = strings.Repeat("a", schoolbell.MaxIDLength+1) }, []string{"id"}},
		{"no name", func(u *user) { u.Name = " " }, []string{"name"}},
		{"a header in the name", func(u *user) { u.Name = "Ada\r\nBcc: all@example.org" }, []string{"name"}},
		{"a name too long", func(u *user) { u.Name = strings.Repeat("ß", schoolbell.MaxNameLength+1) }, []string{"name"}},
		{"a bad address", func(u *user) { u.Email = "ada" }, []string{"email"}},
		{"a national phone number", func(u *user) { u.Phone = "020 7946 0018" }, []string{"phone"}},
		{"no role", func(u *user) { u.Roles = nil }, []string{"roles"}},
		{"an unknown role", func(u *user) { u.Roles = []schoolbell.Role{"parent", "boss"} }, []string{"roles[1]"}},
		{"a bad group", func(u *user) { u.Groups = []string{"7b", "a/b"} }, []string{"groups[1]"}},
		{"too many groups", func(u *user) { u.Groups = ids(schoolbell.MaxUserGroups + 1) }, []string{"groups"}},
		{"a guardian of too many", func(u *user) { u.GuardianOf = ids(schoolbell.MaxGuardianOf + 1) }, []string{"guardian_of"}},
		{"their own guardian", func(u *user) { u.GuardianOf = []string{"bob", "ada"} }, []string{"guardian_of[1]"}},
		{"a bad locale", func(u *user) { u.Locale = "english please" }, []string{"locale"}},
		{"an unknown time zone", func(u *user) { u.Timezone = "Mars/Olympus" }, []string{"timezone"}},
		{"the machine's own time zone", func(u *user) { u.Timezone = "Local" }, []string{"timezone"}},
		{"a time zone that is a path", func(u *user) { u.Timezone = "../../etc/passwd" }, []string{"timezone"}},
		{"all faults are told at once", func(u *user) { *u = user{Email: "x", Timezone: "x"} }, []string{"id", "name", "email", "roles", "timezone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := ada(c.change)
			if got := fields(t, u.Validate()); !slices.Equal(got, c.want) {
				t.Errorf("faults in %q, want %q", got, c.want)
			}
		})
	}
}

func TestUserNormalize(t *testing.T) {
	t.Parallel()
	u := schoolbell.User{
		ID: "ada", Name: " Ada ", Email: " ada@example.org ", Phone: "+44 (0)20 7946-0018",
		Roles: []schoolbell.Role{"parent", "parent"}, Groups: []string{"b", "a", "b"}, GuardianOf: []string{"x", "x"},
	}
	want := schoolbell.User{
		ID: "ada", Name: "Ada", Email: "ada@example.org", Phone: "+442079460018",
		Roles: []schoolbell.Role{"parent"}, Groups: []string{"b", "a"}, GuardianOf: []string{"x"},
	}
	for range 2 {
		u.Normalize()
		if diff := cmp.Diff(want, u); diff != "" {
			t.Fatalf("normalized (-want +got):\n%s", diff)
		}
	}
}

func TestUserJSON(t *testing.T) {
	t.Parallel()
	const text = `{"id":"ada","name":"Ada","email":"ada@example.org","phone":"+442079460018","roles":["parent","staff"],` +
		`"groups":["7b"],"locale":"en","timezone":"UTC","guardian_of":["byron"]}`
	var u schoolbell.User
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(u); err != nil || string(got) != text {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a": true, "7b": true, "ada.lovelace@example.org": true, "a_b-c+d~e": true, strings.Repeat("x", 128): true,
		"": false, "-a": false, ".hidden": false, "a b": false, "a:b": false, "a/b": false, "é": false, "a\n": false,
		"\na": false, strings.Repeat("x", 129): false,
	} {
		if got := schoolbell.ValidID(id); got != want {
			t.Errorf("%q: valid %v, want %v", id, got, want)
		}
	}
}

func TestValidateEmail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for address, want := range map[string]bool{
		"ada@example.org": true, "a.b+c@sub.example.org": true, "zoë@example.org": true,
		long + "@example.org": true,

		"": false, "ada": false, "ada@": false, "@example.org": false, "ada@example": false, "ada@.org": false,
		"ada@example.": false, "a@b@example.org": false, "Ada <ada@example.org>": false, "<ada@example.org>": false,
		"ada@example.org (Ada)": false, `"a b"@example.org`: false, "ada@example.org, bob@example.org": false,
		"ada@example.org\r\nRCPT TO:<eve@example.org>": false, "ada\t@example.org": false, "a da@example.org": false,
		"ada..b@example.org": false, ".ada@example.org": false, "ada@exa\x00mple.org": false, "ada@ex\u200bample.org": false,
		"root@localhost": false, "a@127.0.0.1": false, "a@[127.0.0.1]": false, "a@[IPv6:::1]": false, "a%b@relay.example": false, "a!b@x.example": false,
		"root@LOCALHOST": false, "root@mail.localhost": false, "root@localhost.localdomain": false, "a@[IPv6:2001:db8::1]": false, "a@2130706433": false,
		"|x@x.example": false, "/tmp/x@x.example": false, "-x@x.example": false, "`x`@x.example": false, "a@-x.example": false, "a@x-.example": false, "a@x.1": false,
		"a@x.e": false, "a@x..example": false, "a@" + long + ".example": false, "a@\u0301x.example": false, "ada@example.org.": false,
		"o'brien@example.org": true, "x=y@example.org": true, "ada@bücher.example": true, "ada@xn--bcher-kva.example": true, "a@1.example": true,
		"a" + long + "@example.org": false, "a@" + strings.Repeat("b.", 130) + "org": false,
	} {
		if err := schoolbell.ValidateEmail(address); (err == nil) != want {
			t.Errorf("%q: %v, want valid %v", address, err, want)
		}
	}
}

func TestGroupValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		g    schoolbell.Group
		want []string
	}{
		{"a group at the top", schoolbell.Group{ID: "hill", Name: "Hill School", Kind: schoolbell.GroupSchool}, nil},
		{"a group below another", schoolbell.Group{ID: "7b", Name: "7 B", Kind: schoolbell.GroupClass, Parent: "hill"}, nil},
		{"nothing set", schoolbell.Group{}, []string{"id", "name", "kind"}},
		{"an unknown kind", schoolbell.Group{ID: "x", Name: "X", Kind: "gang"}, []string{"kind"}},
		{"a parent that is no id", schoolbell.Group{ID: "x", Name: "X", Kind: schoolbell.GroupClub, Parent: "a b"}, []string{"parent"}},
		{"its own parent", schoolbell.Group{ID: "x", Name: "X", Kind: schoolbell.GroupClub, Parent: "x"}, []string{"parent"}},
	} {
		if got := fields(t, c.g.Validate()); !slices.Equal(got, c.want) {
			t.Errorf("%s: faults in %q, want %q", c.name, got, c.want)
		}
	}
}

// An address that is let through is written into SMTP commands and headers.
func FuzzValidateEmail(f *testing.F) {
	for _, s := range []string{"ada@example.org", "zoë@example.org", `"a b"@example.org`, "a@b.c\r\nDATA", "<a@b.c>", "a@[127.0.0.1]", "a@xn--.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if schoolbell.ValidateEmail(address) != nil {
			return
		}
		if strings.ContainsFunc(address, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\",;()\\", r)
		}) {
			t.Errorf("%q was let through", address)
		}
		if list, err := mail.ParseAddressList(address); err != nil || len(list) != 1 || list[0].Address != address {
			t.Errorf("%q is read as %v, %v", address, list, err)
		}
		if parts := strings.SplitN(address, "@", 3); len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			t.Errorf("%q was let through", address)
		}
	})
}

func FuzzUserJSON(f *testing.F) {
	for _, s := range []string{`{"id":"ada","name":"Ada","roles":["parent"]}`, `{"phone":"+44 20 7946 0018"}`, `{"groups":["a","a"]}`, `{"name":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var u schoolbell.User
		if json.Unmarshal([]byte(text), &u) != nil {
			return
		}
		u.Normalize()
		written, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		var again schoolbell.User
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s cannot be read back: %v", written, err)
		}
		again.Normalize()
		if fmt.Sprint(u.Validate()) != fmt.Sprint(again.Validate()) {
			t.Errorf("validated as %v, after a round trip as %v", u.Validate(), again.Validate())
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(written) {
			t.Errorf("%s became %s, %v", written, twice, err)
		}
	})
}
