package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"schoolbell"
	"schoolbell/internal/store"
)

var settings = []promise{
	{"Settings are not found until they are seeded or put", settingsNone},
	{"SeedSettings stores the first settings once", settingsSeeded},
	{"PutSettings replaces every field and counts versions", settingsReplaced},
	{"PutSettings refuses settings that have changed since", settingsConflict},
	{"PutSettings by many at once loses no change", settingsConcurrent},
}

// fullSettings returns settings whose fields all have a value.
func fullSettings() schoolbell.SchoolSettings {
	s := schoolbell.DefaultSchoolSettings()
	s.Name, s.Logo, s.Colours = `Žofie "学校" O'Neil \ 🎒`, "https://school.example/logo.png", schoolbell.Colours{Primary: "#1c5fb8", Accent: "#1a7346"}
	s.Signature, s.Language, s.Timezone = "Kind regards,\n\n<the office>", "pt-BR", "Europe/Lisbon"
	s.Digest, s.QuietHours = schoolbell.DigestWindow{At: "16:00", Weekday: "friday"}, schoolbell.QuietHours{From: "21:00", To: "07:00"}
	return s
}

func settingsNone(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, err := s.Settings.Settings(s.ctx())
	wantCode(t, err, schoolbell.CodeNotFound)
	stored, err := s.Settings.PutSettings(s.ctx(), fullSettings())
	s.must(err)
	same(t, "version", stored.Version, int64(1))
}

func settingsSeeded(t *testing.T, open func() *store.Ledger) {
	var names sync.Map
	var seeding sync.WaitGroup
	for i := range 5 {
		s := newTestStore(t, open())
		seeding.Go(func() {
			first := fullSettings()
			first.Name = fmt.Sprintf("School %d", i)
			stored, err := s.Settings.SeedSettings(s.ctx(), first)
			if err != nil || stored.Version != 1 {
				t.Errorf("seeded version %d, %v", stored.Version, err)
			}
			names.Store(stored.Name, true)
		})
	}
	seeding.Wait()
	n := 0
	names.Range(func(any, any) bool { n++; return true })
	same(t, "names that were seeded", n, 1)
	s := newTestStore(t, open())
	got, err := s.Settings.SeedSettings(s.ctx(), fullSettings())
	s.must(err)
	if _, known := names.Load(got.Name); !known || got.Version != 1 {
		t.Errorf("seeded again: %q, version %d", got.Name, got.Version)
	}
}

func settingsReplaced(t *testing.T, open func() *store.Ledger) {
	s, other := newTestStore(t, open()), newTestStore(t, open())
	_, err := s.Settings.SeedSettings(s.ctx(), schoolbell.DefaultSchoolSettings())
	s.must(err)
	for i, want := range []schoolbell.SchoolSettings{fullSettings(), schoolbell.DefaultSchoolSettings()} {
		before := schoolbell.Time(time.Now()).Add(-time.Minute)
		stored, err := s.Settings.PutSettings(s.ctx(), want)
		s.must(err)
		if stored.UpdatedAt.Before(before) || !stored.UpdatedAt.Equal(schoolbell.Time(stored.UpdatedAt)) {
			t.Errorf("updated at %v", stored.UpdatedAt)
		}
		want.Version, want.UpdatedAt = int64(i+2), stored.UpdatedAt
		same(t, "settings", stored, want)
		got, err := other.Settings.Settings(s.ctx())
		s.must(err)
		same(t, "settings in another process", got, want)
	}
}

func settingsConflict(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	read, err := s.Settings.SeedSettings(s.ctx(), schoolbell.DefaultSchoolSettings())
	s.must(err)
	mine := fullSettings()
	mine.Version = read.Version
	stored, err := s.Settings.PutSettings(s.ctx(), mine)
	s.must(err)
	late := schoolbell.DefaultSchoolSettings()
	for _, late.Version = range []int64{read.Version, stored.Version + 1} {
		_, err = s.Settings.PutSettings(s.ctx(), late)
		wantCode(t, err, schoolbell.CodeConflict)
	}
	got, err := s.Settings.Settings(s.ctx())
	s.must(err)
	same(t, "settings", got, stored)
}

func settingsConcurrent(t *testing.T, open func() *store.Ledger) {
	s := newTestStore(t, open())
	_, err := s.Settings.SeedSettings(s.ctx(), schoolbell.DefaultSchoolSettings())
	s.must(err)
	var changing sync.WaitGroup
	for range 4 {
		changing.Go(func() {
			for changed := 0; changed < 5; {
				v, err := s.Settings.Settings(s.ctx())
				if err == nil {
					v.Signature += "x"
					_, err = s.Settings.PutSettings(s.ctx(), v)
				}
				switch {
				case err == nil:
					changed++
				case schoolbell.CodeOf(err) != schoolbell.CodeConflict:
					t.Error(err)
					return
				}
			}
		})
	}
	changing.Wait()
	got, err := s.Settings.Settings(s.ctx())
	s.must(err)
	same(t, "version", got.Version, int64(21))
	same(t, "signature", got.Signature, strings.Repeat("x", 20))
}
