// Package site is what all pages of the panel share: who asks and what they may, the frame of pages and their templates, streams of live
// parts, forms, and the words for numbers, times, people and deliveries. Groups of pages are packages beside it. They list their routes and
// use what is here; they do not know each other.
package site
