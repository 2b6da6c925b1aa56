// Package identity lets the staff sign in at an identity provider of the school, over OpenID Connect: the authorization
// code flow with PKCE. It finds out who somebody is; which account that is, others decide.
package identity
