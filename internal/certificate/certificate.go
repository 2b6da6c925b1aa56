// Package certificate lets a server speak TLS with a certificate from files, which may be
// replaced while it runs, and lets programs on the same machine recognize that server.
package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Files name a certificate, followed by those of the authorities between it and the root,
// and its key. Both are in PEM form.
type Files struct{ Cert, Key string }

// Load reads the files and checks that the key belongs to the certificate.
func (f Files) Load() (*tls.Certificate, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	return c.parse()
}

// content is what is in the files.
type content struct{ cert, key []byte }

func (f Files) read() (c content, err error) {
	if c.cert, err = os.ReadFile(f.Cert); err != nil {
		return c, fmt.Errorf("certificate: %w", err)
	}
	if c.key, err = os.ReadFile(f.Key); err != nil {
		return c, fmt.Errorf("key: %w", err)
	}
	return c, nil
}

func (c content) digest() [sha256.Size]byte {
	return sha256.Sum256(slices.Concat(c.cert, []byte{0}, c.key))
}

func (c content) parse() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}

// CheckTime says why a certificate is not valid at that time.
func CheckTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate expired on %s", day(c.NotAfter))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// Names are the host names and addresses that a certificate is for.
func Names(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Pinned returns a configuration for clients that accept the certificate in a PEM file, and
// no other, under any host name. Programs on the machine of a server reach it under an
// address that its certificate need not name.
func Pinned(certFile string) (*tls.Config, error) {
	text, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", certFile)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
				return ErrOther
			}
			return nil
		},
	}, nil
}

// ErrOther is the failure of a connection to a server that does not have the pinned certificate.
var ErrOther = errors.New("the server has another certificate than TLS_CERT")
