// Package api is the HTTP API: every route with the scope it needs stands in one
// table (routes.go), handlers translate between wire and use cases and hold
// neither SQL nor Redis, and one function (problem.go) turns errors into answers.
//
// Requests and responses have types of their own, from which the OpenAPI document
// is made. The shape of a request (types, known fields, enumerations) is
// checked against that document, its meaning by the domain. What failed inside
// is logged with the request's id and never sent.
package api
