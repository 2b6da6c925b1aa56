// Package people keeps a school's users and groups: putting, importing and forgetting them.
package people
