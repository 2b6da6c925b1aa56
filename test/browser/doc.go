// Package browser holds tests of the pages for people, in a real Chromium: how they look on a phone and in
// the dark, whether they work with the keyboard and without JavaScript, and what axe-core finds.
package browser
