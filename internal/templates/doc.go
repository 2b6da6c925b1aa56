// Package templates is what the API and the panel do with the templates of messages: they list, check, store, show and
// test them.
package templates
