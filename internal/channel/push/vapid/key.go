// Package vapid tells push services who sends a message (RFC 8292, Voluntary Application Server Identification): with a
// key pair, whose public key browsers give to their push service when they subscribe, and tokens signed with the private key.
package vapid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
)

// encoding is that of keys and tokens.
var encoding = base64.RawURLEncoding

// Key is a key pair on the curve P-256.
type Key struct {
	private *ecdsa.PrivateKey
	public  string
}

// NewKey returns a new key pair.
func NewKey() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key pair: %w", err)
	}
	return newKey(private)
}

func newKey(private *ecdsa.PrivateKey) (*Key, error) {
	public, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	return &Key{private, encoding.EncodeToString(public)}, nil
}

// ParseKey reads a key pair as [Key.Public] and [Key.Private] write it. The error quotes neither.
func ParseKey(public, private string) (*Key, error) {
	b, err := encoding.DecodeString(strings.TrimRight(private, "="))
	if err != nil || len(b) != 32 {
		return nil, errors.New("the private key is not base64url of 32 bytes")
	}
	parsed, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b)
	if err != nil {
		return nil, errors.New("the private key is not one of the curve P-256")
	}
	k, err := newKey(parsed)
	if err != nil {
		return nil, err
	}
	if strings.TrimRight(public, "=") != k.public {
		return nil, errors.New("the public key is not that of the private key")
	}
	return k, nil
}

// Public returns the public key: base64url of the 65 bytes of an uncompressed point, as browsers take it for their
// applicationServerKey.
func (k *Key) Public() string { return k.public }

// Private returns the private key: base64url of its 32 bytes.
func (k *Key) Private() (string, error) {
	b, err := k.private.Bytes()
	if err != nil {
		return "", fmt.Errorf("encode the private key: %w", err)
	}
	return encoding.EncodeToString(b), nil
}

// CheckSubject reports why a text cannot be the contact of a sender. Apple refuses contacts at names that no public
// network has.
func CheckSubject(subject string) error {
	u, err := url.Parse(subject)
	if err != nil {
		return errors.New("must be an address such as mailto:office@hill.example or https://hill.example")
	}
	host := strings.ToLower(u.Hostname())
	switch u.Scheme {
	case "mailto":
		a, err := mail.ParseAddress(u.Opaque)
		if err != nil || a.Address != u.Opaque {
			return errors.New("must be mailto: and one email address")
		}
		host = strings.ToLower(a.Address[strings.LastIndexByte(a.Address, '@')+1:])
	case "https":
		if host == "" || u.User != nil {
			return errors.New("must be the URL of a page")
		}
	default:
		return errors.New("must begin with mailto: or https://")
	}
	for _, name := range []string{"localhost", "local", "invalid"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return fmt.Errorf("must not be at a name in .%s: Apple refuses it", name)
		}
	}
	return nil
}
