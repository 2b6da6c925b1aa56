// Package fake has servers that speak the protocols of providers, so that every channel can be tried and tested without an
// account. They listen on loopback, check authentication for real and keep what they accept.
package fake
