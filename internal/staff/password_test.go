package staff

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestPasswords(t *testing.T) {
	h := newHasher()
	t.Run("only the same password matches", func(t *testing.T) {
		hash, err := h.hash(t.Context(), "seven green bicycles")
		if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=7168,t=5,p=1$") {
			t.Fatal(hash, err)
		}
		for password, want := range map[string]bool{"seven green bicycles": true, "seven green bicycle": false, "": false} {
			if ok, err := h.matches(t.Context(), password, hash); ok != want || err != nil {
				t.Errorf("%q: %v, %v", password, ok, err)
			}
		}
	})
	t.Run("a published vector matches", func(t *testing.T) {
		// From the reference implementation's tests (P-H-C/phc-winner-argon2, test.c), for argon2id version 19.
		const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
		if ok, err := h.matches(t.Context(), "password", hash); !ok || err != nil {
			t.Error(ok, err)
		}
	})
	t.Run("no password has the hash of unknown accounts", func(t *testing.T) {
		if ok, err := h.matches(t.Context(), "", absentHash); ok || err != nil {
			t.Error(ok, err)
		}
	})
	t.Run("broken hashes are errors", func(t *testing.T) {
		for _, hash := range []string{"", "x", "$argon2id$v=19$m=19456,t=2,p=1$AA", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA", "$argon2id$v=18$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			if _, err := h.matches(t.Context(), "x", hash); err == nil {
				t.Errorf("%q is no error", hash)
			}
		}
	})
	t.Run("weak passwords are refused", func(t *testing.T) {
		a := schoolbell.StaffAccount{Email: "mara.tennick@example.org"}
		for password, want := range map[string]bool{"seven green bicycles": true, "пять зелёных котов": true, "short": false, "aaaaaaaaaaaa": false, "Password1234!": false,
			"mara.tennick99": false, "abcdefghijkl": false, strings.Repeat("ab cde", 50): false, "\xff\xfe seven green": false} {
			if err := checkPassword(password, a); (err == nil) != want {
				t.Errorf("%q: %v", password, err)
			}
		}
	})
}
