// Package personal is what messages say of their recipients: names for templates, and their values in a language.
package personal
