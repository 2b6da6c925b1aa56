#!/usr/bin/env bash
# Writes the software bill of materials of a built program, in CycloneDX's JSON form.
# Usage: scripts/sbom.sh PROGRAM OUTPUT VERSION
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
(cd "$root" && go build -modfile=scripts/sbom.mod -o "$tool/" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)
"$tool/cyclonedx-gomod" bin -json -std -version "$3" -output "$2" "$1"
