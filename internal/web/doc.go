// Package web is the look of the pages that Schoolbell serves to people: layout, stylesheet, icons
// and static files, and the message page. Pages work without JavaScript. They load nothing from
// other hosts, and their Content-Security-Policy allows no inline script or style.
package web
