package schoolbell_test

import (
	"testing"

	"schoolbell"
)

func TestCheckKeyStrength(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]bool{
		"4f9c2e7ab1d05836e9f7c4": true, "correct-horse-battery": true, "sb_7f31c09be24d5a6810": true,
		"aaaaaaaaaaaaaaaaaaaaaaaa": false, "changeme-changeme-changeme": false, "abababababababababababab": false, "short-4f9c2e7ab1d": false,
		"0123456789abcdef0123456789": false, "PasswordPassword1234567": false, "qwertyuiopasdfghjklzxcvbnm": false, "abcdefghijklmnopqrstuvwxyz": false,
		"zyxwvutsrqponmlkjihgfedcba": false, "schoolbell-schoolbell-secret-admin": false, "": false,
	} {
		if err := schoolbell.CheckKeyStrength(secret); (err == nil) != want {
			t.Errorf("%q: %v, want strong %v", secret, err, want)
		}
	}
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
