// Package staff knows who works with the panel: accounts, their passwords, the links with which people
// choose one, and the sessions of those who have signed in.
package staff
