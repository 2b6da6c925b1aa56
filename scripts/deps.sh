#!/usr/bin/env bash
# Installs what the tests need and the machine lacks, and says so. Tests start
# servers of their own on free ports: system services are neither needed nor used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# have NAME... : is one of these programs installed, in PATH or where Debian hides it?
have() {
	local name
	for name in "$@"; do
		if command -v "$name" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$name" >/dev/null || [[ -x /usr/sbin/$name ]]; then
			return 0
		fi
	done
	return 1
}

packages=()
have redis-server || packages+=(redis-server)
have initdb || packages+=(postgresql)
have smtp-sink || packages+=(postfix)
# Chromium without windows takes a third of the time. Where there is none, any Chromium or Chrome does.
if ! have chromium-headless-shell; then
	if apt-cache show chromium-headless-shell >/dev/null 2>&1 || ! have chromium chromium-browser google-chrome google-chrome-stable; then
		packages+=(chromium-headless-shell)
	fi
fi
have node || packages+=(nodejs)
have npm || packages+=(npm)
have gcc clang || packages+=(gcc libc6-dev) # the race detector links C

as_root() {
	if [[ $(id -u) == 0 ]]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		printf 'need root or sudo to install: %s\n' "${packages[*]}" >&2
		exit 1
	fi
}

# Debian starts the services it installs. While we install, a policy file asks it
# not to; one that is there already is left alone.
policy=/usr/sbin/policy-rc.d
install_packages() {
	if [[ ! -e $policy ]]; then
		trap 'as_root rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod +x "$policy"
	fi
	as_root apt-get update -q
	if ! apt-cache show chromium-headless-shell >/dev/null 2>&1; then # older systems have the whole browser only
		packages=("${packages[@]/#chromium-headless-shell/chromium}")
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
}

if ((${#packages[@]})); then
	printf 'installing for the tests: %s\n' "${packages[*]}"
	if ! command -v apt-get >/dev/null; then
		printf 'no apt-get here: please install these yourself\n' >&2
		exit 1
	fi
	install_packages
fi

# npm leaves a copy of the lock file in node_modules: if it is older, install again.
for lock in test/*/package-lock.json bench/*/package-lock.json; do
	[[ -e $lock ]] || continue
	folder=$(dirname "$lock")
	if [[ ! -e $folder/node_modules/.package-lock.json || $lock -nt $folder/node_modules/.package-lock.json ]]; then
		printf 'installing the npm packages of %s\n' "$folder"
		(cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
	fi
done
