// Package receipt takes what providers tell about messages after they were sent. It checks that a request is the
// provider's, decodes it and records it in the ledger before the request is answered.
//
// URLs end up in logs, so the secret in a URL is not enough: each provider signs its requests, and each
// signature is checked over the bytes as they came. What a provider tells is trusted only as far as the ledger goes
// forward with it: receipts come late, twice and in any order.
package receipt
