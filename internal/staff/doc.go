// Package staff knows who works with the panel: accounts, their passwords, the links with which people
// choose one, the sessions of those who have signed in, and the drafts of events that they have not sent yet.
package staff
