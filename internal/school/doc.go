// Package school keeps what a school says about itself: its settings.
package school
