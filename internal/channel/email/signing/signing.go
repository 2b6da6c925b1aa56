// Package signing signs emails with DKIM (RFC 6376; Ed25519 by RFC 8463), so that the servers of recipients know which
// domain is responsible for them.
package signing

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"schoolbell/internal/address"
)

// minRSA is the size in bits below which verifiers ignore signatures (RFC 8301 §3.2).
const minRSA = 1024

// headerKeys are the headers that are signed. One that is named more often than an email has it is signed as
// absent too: nobody can add a second From or Subject, or links to unsubscribe, under the signature.
var headerKeys = []string{
	"From", "From", "Reply-To", "Reply-To", "To", "To", "Subject", "Subject", "Date", "Date", "Message-ID", "Message-ID",
	"MIME-Version", "Content-Type", "Content-Type", "Content-Transfer-Encoding", "Content-Language", "Auto-Submitted",
	"List-Unsubscribe", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Unsubscribe-Post",
}

// Signer signs emails in the name of a domain. It is safe for concurrent use.
type Signer struct {
	options dkim.SignOptions
	record  string
}

// New returns a signer. The public key is looked up in DNS at selector._domainkey.domain; domain may be in any script.
func New(domain, selector string, key crypto.Signer) (*Signer, error) {
	domain, err := address.Domain(domain)
	if err != nil {
		return nil, fmt.Errorf("domain %w", err)
	}
	if err := CheckSelector(selector); err != nil {
		return nil, fmt.Errorf("selector %w", err)
	}
	record, err := recordOf(key.Public())
	if err != nil {
		return nil, err
	}
	return &Signer{record: record, options: dkim.SignOptions{
		Domain: domain, Selector: strings.ToLower(selector), Signer: key, HeaderKeys: headerKeys,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	}}, nil
}

// Header returns the DKIM-Signature of an email, with its line end. It belongs before the email, whose lines end
// with CRLF.
func (s *Signer) Header(email []byte) (string, error) {
	signer, err := dkim.NewSigner(&s.options)
	if err != nil {
		return "", err
	}
	_, err = signer.Write(email)
	if err := errors.Join(err, signer.Close()); err != nil {
		return "", fmt.Errorf("sign with DKIM: %w", err)
	}
	return signer.Signature(), nil
}

// Domain returns the domain that signs, in ASCII.
func (s *Signer) Domain() string { return s.options.Domain }

// RecordName returns the name of the TXT record in DNS with the public key, without a final dot.
func (s *Signer) RecordName() string { return s.options.Selector + "._domainkey." + s.options.Domain }

// Record returns the value of the TXT record. One longer than 255 characters is published as several strings.
func (s *Signer) Record() string { return s.record }

// Published reports whether a value of a TXT record has the public key.
func (s *Signer) Published(record string) bool {
	return keyIn(record) == keyIn(s.record)
}

// keyIn returns the public key in a record: its tag p without the spaces that it may have.
func keyIn(record string) string {
	for tag := range strings.SplitSeq(record, ";") {
		if name, value, ok := strings.Cut(tag, "="); ok && strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}

func recordOf(public crypto.PublicKey) (string, error) {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k), nil
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return "", fmt.Errorf("encode the public key: %w", err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	}
	return "", errors.New("key must be RSA or Ed25519")
}

var selectorPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?){0,4}$`)

// CheckSelector reports why a text cannot be a selector.
func CheckSelector(selector string) error {
	if !selectorPattern.MatchString(selector) {
		return errors.New("must be a name such as bell2026")
	}
	return nil
}

// ParseKey reads a private key in PEM: RSA in PKCS #1 or #8, or Ed25519 in PKCS #8. The error does not quote it.
func ParseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("must be a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("is encrypted: use a key without a password")
		}
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("is encrypted: use a key without a password")
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return nil, errors.New("must be the private key, not the public one")
	default:
		return nil, errors.New("must be a private key in PEM, of RSA or Ed25519")
	}
	if err != nil {
		return nil, errors.New("is damaged: it cannot be decoded")
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < minRSA {
			return nil, fmt.Errorf("has %d bits: RSA needs at least %d, better 2048", bits, minRSA)
		}
		return k, nil
	}
	return nil, errors.New("must be a key of RSA or Ed25519")
}
