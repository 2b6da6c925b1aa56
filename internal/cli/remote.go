package cli

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/app"
	"schoolbell/internal/certificate"
	"schoolbell/internal/config"
)

// remote is what every command that talks to a running server takes.
type remote struct {
	Server config.Client `embed:"" group:"client"`
	JSON   bool          `name:"json" help:"Print as JSON, for scripts."`
}

// dial returns a client of the server. The caller calls hangUp when done.
func (r *remote) dial(a *program) (c *client.Client, hangUp func(), err error) {
	if err := a.load(&r.Server); err != nil {
		return nil, nil, err
	}
	var conf *tls.Config
	if file := r.Server.PinnedCertificate(); file != "" {
		// Without the right to read the certificate, the server's name counts, as with other servers.
		conf, _ = certificate.Pinned(file)
	}
	return dial(r.Server.URL, r.Server.APIKey.Reveal(), conf)
}

// dial returns a client; conf is nil if the system's authorities and the server's name count.
func dial(base, key string, conf *tls.Config) (c *client.Client, hangUp func(), err error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = conf
	c, err = client.New(client.Config{URL: base, Key: key, HTTPClient: &http.Client{Transport: transport}})
	return c, transport.CloseIdleConnections, err
}

// failRemote reports an error that a server or the way to it made, and tells
// whether err is one.
func (a *program) failRemote(err error) bool {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		a.failProblem(p)
		return true
	}
	u, ok := errors.AsType[*url.Error](err)
	if !ok {
		return false
	}
	a.complain("%s cannot be reached: %s", baseOf(u.URL), app.Reason(u.Err))
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		a.suggest("set --url to a host name of the certificate; for a private certificate authority, set SSL_CERT_FILE to its certificate")
		return true
	}
	a.suggest("run schoolbell serve, or set --url or SCHOOLBELL_URL")
	return true
}

// failProblem reports a refusal by the server and the next step.
func (a *program) failProblem(p *client.Problem) {
	if len(p.Fields) > 0 {
		var faults schoolbell.Faults
		for _, f := range p.Fields {
			faults.Add(f.Field, "%s", f.Message)
		}
		a.complainFields(refusedFields(len(faults)), faults)
	} else {
		a.complain("%s", p.Detail)
	}
	switch schoolbell.Code(p.Code) {
	case schoolbell.CodeUnauthorized:
		a.suggest("set SCHOOLBELL_API_KEY to a key of this server")
	case schoolbell.CodeForbidden:
		a.suggest("use a key with a wider scope")
	case schoolbell.CodeUnavailable, schoolbell.CodeLimited:
		a.suggest("try again in a moment")
	case schoolbell.CodeInternal:
		a.suggest("see the log of the server")
	}
}

func refusedFields(n int) string {
	return count(n, "field is", "fields are") + " invalid; nothing was changed"
}

// baseOf is the server's part of an address.
func baseOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}
