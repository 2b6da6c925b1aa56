package returnpath_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"schoolbell"
	"schoolbell/internal/channel/email/returnpath"
)

const secret = "3c1d8e7f6a5b4c3d2e1f0a9b"

func TestAddresses(t *testing.T) {
	t.Parallel()
	a, other, elsewhere := returnpath.New("bounces.hill.example", secret), returnpath.New("bounces.hill.example", secret+"x"), returnpath.New("hill.example", secret)
	rapid.Check(t, func(t *rapid.T) {
		key := schoolbell.MessageKey{
			EventID: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "event")).String(), User: rapid.Int64Range(1, math.MaxInt64).Draw(t, "user"),
			Wave: rapid.IntRange(0, schoolbell.MaxWaves).Draw(t, "wave"), Address: rapid.IntRange(0, schoolbell.MaxAddresses).Draw(t, "address"),
		}
		address, ok := a.Of(key.String())
		local, _, _ := strings.Cut(address, "@")
		if !ok || len(local) > 64 || schoolbell.ValidateEmail(address) != nil {
			t.Fatalf("%+v: %q", key, address)
		}
		for _, text := range []string{address, strings.ToUpper(address)} {
			if got, ok := a.Parse(text); !ok || got != key {
				t.Fatalf("%q: %+v, %v", text, got, ok)
			}
		}
		if _, ok := other.Parse(address); ok {
			t.Fatalf("another secret accepts %q", address)
		}
		if _, ok := elsewhere.Parse(address); ok {
			t.Fatalf("another domain accepts %q", address)
		}
		at := rapid.IntRange(0, len(local)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte("abcdefghijklmnopqrstuvwxyz234567")).Draw(t, "character")
		if changed := address[:at] + string(c) + address[at+1:]; changed != address {
			if _, ok := a.Parse(changed); ok {
				t.Fatalf("%q is accepted for %q", changed, address)
			}
		}
	})
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	a := returnpath.New("bounces.hill.example", secret)
	for _, address := range []string{"", "@", "b+@bounces.hill.example", "b+aaaa@bounces.hill.example", "office@bounces.hill.example", "b+" + strings.Repeat("a", 50) + "@bounces.hill.example"} {
		if key, ok := a.Parse(address); ok {
			t.Errorf("%q names %+v", address, key)
		}
	}
	for _, id := range []string{"", "test", "event.7", "018F2F6E-0000-7000-8000-000000000000.7", "018f2f6e-0000-7000-8000-000000000000"} {
		if address, ok := a.Of(id); ok {
			t.Errorf("%q gets %q", id, address)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	a := returnpath.New("bounces.hill.example", secret)
	id := schoolbell.MessageKey{EventID: uuid.NewString(), User: 123_456}.String()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.Of(id); !ok {
			b.Fatal("no address")
		}
	}
}
