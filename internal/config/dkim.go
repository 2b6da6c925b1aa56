package config

import (
	"schoolbell"
	"schoolbell/internal/address"
	"schoolbell/internal/channel/email/signing"
)

// DKIM settings sign email by SMTP. Other providers sign themselves.
type DKIM struct {
	Domain   string `name:"dkim-domain" setting:"DKIM_DOMAIN" placeholder:"DOMAIN" help:"Domain that signs email by SMTP with DKIM: that of EMAIL_FROM, or one above it. Schoolbell does not sign if empty."`
	Selector string `name:"dkim-selector" setting:"DKIM_SELECTOR" placeholder:"NAME" help:"Name of the key in DNS: the public key is at SELECTOR._domainkey.DOMAIN. Required with DKIM_DOMAIN."`
	Key      Secret `name:"dkim-key" setting:"DKIM_KEY" placeholder:"PEM" help:"Private key in PEM, of RSA with at least 1,024 bits or Ed25519. Required with DKIM_DOMAIN."`
}

// Signer returns what signs email by SMTP, nil if nothing does.
func (d *DKIM) Signer() (*signing.Signer, error) {
	if d.Domain == "" {
		return nil, nil
	}
	key, err := signing.ParseKey(d.Key.Reveal())
	if err != nil {
		return nil, schoolbell.Invalid("DKIM_KEY", "%v", err)
	}
	return signing.New(d.Domain, d.Selector, key)
}

func (d *DKIM) check(f *schoolbell.Faults) {
	if d.Domain == "" {
		for name, set := range map[string]bool{"DKIM_SELECTOR": d.Selector != "", "DKIM_KEY": d.Key != ""} {
			if set {
				f.Add("DKIM_DOMAIN", "is required with %s", name)
			}
		}
		return
	}
	if _, err := address.Domain(d.Domain); err != nil {
		f.Add("DKIM_DOMAIN", "%v", err)
	}
	if err := signing.CheckSelector(d.Selector); err != nil {
		f.Add("DKIM_SELECTOR", "%v", err)
	}
	if _, err := signing.ParseKey(d.Key.Reveal()); err != nil {
		f.Add("DKIM_KEY", "%v", err)
	}
}
