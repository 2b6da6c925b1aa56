package schoolbell_test

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"schoolbell"
)

func TestCheckKeyStrength(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]bool{
		"4f9c2e7ab1d05836e9f7c4": true, "correct-horse-battery": true, "sb_7f31c09be24d5a6810": true,
		"aaaaaaaaaaaaaaaaaaaaaaaa": false, "changeme-changeme-changeme": false, "abababababababababababab": false, "short-4f9c2e7ab1d": false,
		"0123456789abcdef0123456789": false, "PasswordPassword1234567": false, "qwertyuiopasdfghjklzxcvbnm": false, "abcdefghijklmnopqrstuvwxyz": false,
		"zyxwvutsrqponmlkjihgfedcba": false, "schoolbell-schoolbell-secret-admin": false, "": false,
		// a block that repeats itself, the last time perhaps cut
		"1q2w3e4r1q2w3e4r1q2w": false, "4f9c2e7a4f9c2e7a4f9c2e7a": false, "abcxyzqrsabcxyzqrsabc": false, "4f9c2e7ab1d05836e9f7c44f9c2e7ab1d05836e9f7c4": false,
		"4f9c2e7a4F9C2E7A4f9c2e7a": false, "4f9c2e7a-4f9c2e7a-4f9c2e7a!": false,
		// common words in other letters
		"P@ssw0rd1P@ssw0rd1P@ssw0rd1": false, "P@ssw0rd-@dm1n-s3cr3t-2026": false, "5ch00lb3ll-5ecr3t-w3lc0m3": false, "1l0vey0u-fo0tb@ll-m0nkey": false, "$choo1be!1-defau1t-Adm1n-7": false,
		// walks over the keyboard and sequences
		"1q2w3e4r5t6y7u8i9o0p": false, "qwer1234asdf5678zxcv": false, "zaq12wsxcde34rfvbgt56": false, "qwertzuiopasdfghjklyxcvb": false, "azertyuiopqsdfghjklm": false,
		"!@#$%^&*()1234567890": false, "abcxyzqrs123987defmno": false, "aaaabbbbccccddddeeeeffffgggghhhh": false, "poiuytrewq0987654321lkj": false,
		// random, or words that nobody lists
		"0b7e1a94-6c1f-4d0e-9a55-7d1c3f6be2a8": true, "Zm9xU3Rk+0vQ/7yHcL2n": true, "meadow.kettle.orbit.plum": true,
	} {
		if err := schoolbell.CheckKeyStrength(secret); (err == nil) != want {
			t.Errorf("%q: %v, want strong %v", secret, err, want)
		}
	}
}

// The seed is fixed, so that the test says the same each time.
func TestRandomKeys(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{'k', 'e', 'y'})
	for range 20_000 {
		b := make([]byte, 32)
		_, _ = random.Read(b)
		id, err := uuid.FromBytes(b[:16])
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{hex.EncodeToString(b[:16]), hex.EncodeToString(b[:24]), "sb_" + hex.EncodeToString(b), id.String(), base64.StdEncoding.EncodeToString(b[:24]), base64.RawURLEncoding.EncodeToString(b)} {
			if err := schoolbell.CheckKeyStrength(key); err != nil {
				t.Fatalf("%q: %v", key, err)
			}
		}
	}
}

func FuzzCheckKeyStrength(f *testing.F) {
	for _, s := range []string{"", "1q2w3e4r1q2w3e4r1q2w", "4f9c2e7ab1d05836e9f7c4", "P@ssw0rd1P@ssw0rd1P@ssw0rd1", "\xff\u0130\u0130\u0130 and more text"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if schoolbell.CheckKeyStrength(s+s) == nil {
			t.Errorf("%q twice is strong", s)
		}
	})
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "db.localhost": false, "127.0.0.1": true, "127.8.8.8": true, "::1": true, "[::1]": true, "::ffff:127.0.0.1": true,
		"": false, "redis": false, "10.0.0.1": false, "localhost.example": false, "128.0.0.1": false, "fe80::1": false,
	} {
		if got := schoolbell.Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
