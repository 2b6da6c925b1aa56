// Package panel is the pages for the staff of the school, below /panel/. Pages are made on the server and work without
// JavaScript; with it, parts of them follow what happens. They use the same services as the API.
package panel
