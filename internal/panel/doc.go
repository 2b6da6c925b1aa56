// Package panel is the pages for the staff of the school, below /panel/. Pages are made on the server and work without
// JavaScript; with it, parts of them follow what happens. They use the same services as the API.
//
// What all pages share is in package site. Most pages are in packages of groups, such as queues and settings: each lists its
// routes in pages.go and has its templates in a folder. The server puts the groups together. Signing in, the overview and
// events are here.
package panel
