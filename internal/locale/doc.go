// Package locale knows how dates, times, numbers and lists are written in the languages that Schoolbell speaks.
package locale
