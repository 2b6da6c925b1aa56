#!/usr/bin/env bash
# Runs every fuzz test of all modules for a while each: scripts/fuzz.sh [duration]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
duration=${1:-10s}

# fuzz_module runs the fuzz tests of the module in the working folder.
fuzz_module() {
	local packages package targets target
	packages=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
	for package in $packages; do
		targets=$(go test -list "^Fuzz" "$package" | grep '^Fuzz' || true)
		for target in $targets; do
			printf '%s %s for %s\n' "$package" "$target" "$duration"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package"
		done
	done
}

for module in $(./scripts/modules.sh); do
	(cd "$module" && fuzz_module)
done
