#!/usr/bin/env bash
# Lists the folders of the repository's Go modules, the root first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find . -name go.mod -not -path '*/node_modules/*' -exec dirname {} \; | sort
