#!/usr/bin/env bash
# Reports known vulnerabilities of the Go code in the named folders, or in all modules of the
# repository, and ends with an error if the code calls one. The database is that of the Go
# project unless GOVULNDB names another, such as file:///path/to/database.
set -euo pipefail
here=$PWD
database=${GOVULNDB:-https://vuln.go.dev}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
go build -o "$tool/" golang.org/x/vuln/cmd/govulncheck

if [[ $# -gt 0 ]]; then
	folders=("$@")
	cd "$here"
else
	mapfile -t folders < <(./scripts/modules.sh)
fi
status=0
for folder in "${folders[@]}"; do
	echo "vulnerabilities of $folder"
	(cd "$folder" && "$tool/govulncheck" -db "$database" ./...) || status=$?
done
exit "$status"
