// Package school keeps what a school says about itself: its settings and the categories of
// its events.
package school
