#!/usr/bin/env bash
# Static checks: formatting, go vet, staticcheck at the version go.mod pins, and
# the syntax of the shell scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -l)
if [[ -n $unformatted ]]; then
	printf 'not formatted by gofmt:\n%s\n' "$unformatted" >&2
	exit 1
fi

staticcheck=$(mktemp -d)/staticcheck
trap 'rm -rf "$(dirname "$staticcheck")"' EXIT
go build -o "$staticcheck" honnef.co/go/tools/cmd/staticcheck

while read -r module; do
	(cd "$module" && go vet ./... && "$staticcheck" ./...)
done < <(./scripts/modules.sh)

for script in scripts/*.sh .ci/run; do
	bash -n "$script"
	if command -v shellcheck >/dev/null; then
		shellcheck "$script"
	fi
done
