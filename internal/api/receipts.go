package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"schoolbell"
	"schoolbell/internal/receipt"
)

// Receipts is what the API needs to take the receipts of providers.
type Receipts interface {
	// Opens reports whether requests of a source are taken under a URL with this secret.
	Opens(source receipt.Source, secret string) bool

	// Take verifies a request of a source that is open, and records its receipts before it returns.
	Take(ctx context.Context, source receipt.Source, r receipt.Request) error
}

// receiptsPath is what the paths of receipts begin with. A secret follows, so they are not logged.
const receiptsPath = "/v1/receipts"

const receiptsDescription = "Providers call it. The secret is RECEIPT_SECRET; with another one, and for a provider that is not set up, " +
	"the path does not exist. A request that the provider did not sign is refused with 403. Repetitions change nothing."

const mailReceiptsDescription = "A mail server calls it with each email to BOUNCE_DOMAIN, as it came: notifications about emails that came back (RFC 3464) " +
	"and complaints of recipients (RFC 5965). The parameter `to` may name the address to which it went. An email without a valid address of a message " +
	"is refused with 403; other emails are accepted and change nothing. Repetitions change nothing."

// noReply is the answer to a text message of a recipient: Twilio sends nothing back.
const noReply = "<Response></Response>"

// received mounts a route that takes the receipts of a source. Signatures are over the body as it came, so nothing
// decodes it before.
func received(source receipt.Source) mount {
	return func(s *Server, rt route) {
		op := s.operation(rt)
		op.Parameters = []*huma.Param{{Name: "secret", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}}
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{rt.consumes: {Schema: &huma.Schema{Type: huma.TypeString}}}}
		if rt.produces == "" {
			op.Responses["200"] = &huma.Response{Description: "The receipts are recorded"}
		}
		s.api.OpenAPI().AddOperation(&op)
		s.mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			if p := s.receive(w, r, rt, source); p != nil {
				writeProblem(w, p)
				return
			}
			if rt.produces != "" {
				w.Header().Set("Content-Type", rt.produces)
				_, _ = w.Write([]byte(noReply)) // the provider may have gone
			}
		})
	}
}

// receive takes one request, or returns why it was not taken.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, rt route, source receipt.Source) *problem {
	if s.cfg.Receipts == nil || !s.cfg.Receipts.Opens(source, r.PathValue("secret")) {
		discard(w, r)
		return newProblem(schoolbell.CodeNotFound, "the path does not exist")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout)) // in a test, there may be none to set
	body := incoming{from: r.Body, limit: rt.maxBody(), shared: s.largeBodies}
	defer body.release()
	if p := body.read(); p != nil {
		if p.Status != http.StatusRequestTimeout {
			discard(w, r)
		}
		return p
	}
	if err := s.cfg.Receipts.Take(r.Context(), source, receipt.Request{Header: r.Header, Body: body.bytes, URI: r.RequestURI}); err != nil {
		return s.problem(r.Context(), err)
	}
	return nil
}
