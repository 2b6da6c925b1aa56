package config

import (
	"net/url"
	"strings"

	"schoolbell"
)

// OIDC settings name the identity provider at which the staff may sign in. Without an issuer there are passwords only.
type OIDC struct {
	Issuer       string `name:"oidc-issuer" setting:"OIDC_ISSUER" placeholder:"URL" help:"Identity provider at which the staff may sign in, over OpenID Connect, such as https://accounts.google.com. If empty, they sign in with passwords only."`
	ClientID     string `name:"oidc-client-id" setting:"OIDC_CLIENT_ID" placeholder:"ID" help:"Client that the identity provider has made for Schoolbell. Required with OIDC_ISSUER."`
	ClientSecret Secret `name:"oidc-client-secret" setting:"OIDC_CLIENT_SECRET" placeholder:"SECRET" help:"Secret of OIDC_CLIENT_ID. Required with OIDC_ISSUER."`
	Name         string `name:"oidc-name" setting:"OIDC_NAME" placeholder:"NAME" help:"Name of the identity provider on the button Sign in with NAME. the school account if empty."`
	TrustEmail   bool   `name:"oidc-trust-email" setting:"OIDC_TRUST_EMAIL" default:"false" negatable:"" help:"Take email addresses as verified if the identity provider does not say whether they are. Only where nobody can choose their own address."`
}

const maxLabel = 100 // bytes

// SetUp reports whether there is an identity provider.
func (o *OIDC) SetUp() bool { return o.Issuer != "" }

// Label is the name of the identity provider.
func (o *OIDC) Label() string {
	if o.Name == "" {
		return "the school account"
	}
	return o.Name
}

func (o *OIDC) check(f *schoolbell.Faults, public bool) {
	if !o.SetUp() {
		if o.ClientID != "" || o.ClientSecret != "" {
			f.Add("OIDC_ISSUER", "is required with OIDC_CLIENT_ID and OIDC_CLIENT_SECRET")
		}
		return
	}
	secureURL(f, "OIDC_ISSUER", o.Issuer)
	if manyTenants(o.Issuer) {
		f.Add("OIDC_ISSUER", "must name your own tenant, such as https://login.microsoftonline.com/TENANT-ID/v2.0: this one lets in the people of every other")
	}
	if o.ClientID == "" {
		f.Add("OIDC_CLIENT_ID", "is required with OIDC_ISSUER")
	}
	if o.ClientSecret == "" {
		f.Add("OIDC_CLIENT_SECRET", "is required with OIDC_ISSUER")
	}
	if !public {
		f.Add("PUBLIC_URL", "is required with OIDC_ISSUER: the identity provider sends browsers back to it")
	}
	if o.Name != "" && schoolbell.CheckLine("OIDC_NAME", o.Name, maxLabel) != nil {
		f.Add("OIDC_NAME", "must be one line of at most %d bytes with a visible character", maxLabel)
	}
}

// manyTenants reports whether an issuer is the address that all tenants of Microsoft Entra ID share.
func manyTenants(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() != "login.microsoftonline.com" {
		return false
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return tenant == "common" || tenant == "organizations" || tenant == "consumers"
}
