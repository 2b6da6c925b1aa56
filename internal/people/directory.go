package people

import (
	"context"
	"strings"
	"unicode"

	"schoolbell"
)

// MaxSearch is the length of a text that people are searched for, in characters. More is ignored.
const MaxSearch = 200

// DirectoryStore is what [Directory] needs of the ledger. Every method is one transaction; implementations are safe for
// concurrent use.
type DirectoryStore interface {
	// Find returns up to limit users that match, those after a place. They are in order of the name, without regard to the case
	// of A to Z, then of the id.
	Find(ctx context.Context, f schoolbell.UserFilter, after schoolbell.UserPlace, limit int) ([]*schoolbell.User, error)

	// Names returns the names of the users with these ids, by id. Ids that are not users' are left out.
	Names(ctx context.Context, ids []string) (map[string]string, error)

	// Guardians returns the ids of up to limit guardians of a user, in order.
	Guardians(ctx context.Context, student string, limit int) ([]string, error)
}

// Directory finds people. It is safe for concurrent use.
type Directory struct{ store DirectoryStore }

// NewDirectory returns a Directory over a store.
func NewDirectory(store DirectoryStore) Directory { return Directory{store} }

// Find returns up to limit users that match, by name, those after a place. Control characters and spaces around the text do not count.
func (d Directory) Find(ctx context.Context, f schoolbell.UserFilter, after schoolbell.UserPlace, limit int) ([]*schoolbell.User, error) {
	f.Text = strings.TrimSpace(printable(f.Text))
	if text := []rune(f.Text); len(text) > MaxSearch {
		f.Text = string(text[:MaxSearch])
	}
	return d.store.Find(ctx, f, schoolbell.UserPlace{Name: printable(after.Name), ID: printable(after.ID)}, limit)
}

// Names returns the names of the users with these ids, by id. Ids that are not users' are left out.
func (d Directory) Names(ctx context.Context, ids []string) (map[string]string, error) {
	if len(ids) == 0 {
		return map[string]string{}, nil
	}
	return d.store.Names(ctx, ids)
}

// maxGuardians are read of a student.
const maxGuardians = 100

// Guardians returns the ids of the guardians of a user, in order, 100 at most.
func (d Directory) Guardians(ctx context.Context, student string) ([]string, error) {
	return d.store.Guardians(ctx, student, maxGuardians)
}

// printable is text as databases take it: UTF-8 without control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
