// Package webhook tells URLs of other programs what happens, as Standard Webhooks 1.0.0 describes it
// (https://www.standardwebhooks.com): each message is a signed POST with an id that stays the same over all attempts.
//
// The ledger notes facts in the transaction of what happened. One process of an installation at a time turns facts into messages
// and sends these. See DESIGN.md.
package webhook
