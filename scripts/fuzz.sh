#!/usr/bin/env bash
# Runs every fuzz test of the module for a while each: scripts/fuzz.sh [duration]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
duration=${1:-10s}

go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | while read -r package; do
	targets=$(go test -list "^Fuzz" "$package" </dev/null | grep '^Fuzz' || true)
	for target in $targets; do
		printf '%s %s for %s\n' "$package" "$target" "$duration"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package" </dev/null
	done
done
