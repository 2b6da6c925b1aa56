package fake

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxClockSkew is how far the time of a signature may be off.
const maxClockSkew = 5 * time.Minute

// authenticate signs the request again with the secret, and returns an error if the signatures differ.
func (f *SES) authenticate(r *http.Request, body []byte) *SESError {
	forbidden := func(code, message string) *SESError { return &SESError{http.StatusForbidden, code, message} }
	given := r.Header.Get("Authorization")
	if given == "" {
		return forbidden("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return forbidden("IncompleteSignatureException", "X-Amz-Date is missing or not valid")
	}
	if skew := time.Since(at); skew > maxClockSkew || skew < -maxClockSkew {
		return forbidden("InvalidSignatureException", "Signature expired")
	}
	if !strings.Contains(given, "Credential="+f.opts.AccessKeyID+"/") || r.Header.Get("X-Amz-Security-Token") != f.opts.SessionToken {
		return forbidden("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	again, err := f.sign(r, body, signedHeaders(given), at)
	if err != nil || subtle.ConstantTimeCompare([]byte(again), []byte(given)) != 1 {
		return forbidden("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	return nil
}

// signedHeaders returns the names of the headers that a signature covers.
func signedHeaders(authorization string) []string {
	_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	return strings.Split(names, ";")
}

// sign returns the Authorization header of a request.
func (f *SES) sign(r *http.Request, body []byte, headers []string, at time.Time) (string, error) {
	again, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, f.URL()+r.URL.RequestURI(), nil)
	if err != nil {
		return "", err
	}
	again.Host = r.Host
	for _, name := range headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: f.opts.AccessKeyID, SecretAccessKey: f.opts.SecretAccessKey, SessionToken: f.opts.SessionToken}
	if err := v4.NewSigner().SignHTTP(r.Context(), keys, again, hex.EncodeToString(sum[:]), "ses", f.opts.Region, at); err != nil {
		return "", err
	}
	return again.Header.Get("Authorization"), nil
}
