#!/usr/bin/env bash
# Installs the Debian packages that are missing. Usage: scripts/deps.sh [build] [test]   (default: build)
set -euo pipefail

build=(gcc libc6-dev cmake ninja-build pkg-config flex bison llvm-19-dev libjansson-dev libzip-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev)
test=(libcmocka-dev clang-19 libclang-rt-19-dev binutils qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross python3 python3-venv python3-numpy libonnx-testdata)

wanted=()
for group in "${@:-build}"; do
	case $group in
	build) wanted+=("${build[@]}") ;;
	test) wanted+=("${test[@]}") ;;
	*)
		echo "usage: scripts/deps.sh [build] [test]" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg >/dev/null; then
	echo "deps: this is no Debian system; these packages or their like are needed: ${wanted[*]}" >&2
	exit 0
fi
missing=()
for package in "${wanted[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps: not root and there is no sudo; install these first: ${missing[*]}" >&2
		exit 1
	}
	root=(sudo)
fi
echo "deps: installing ${missing[*]}"
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q)
"${apt[@]}" update >/dev/null || echo "deps: apt-get update failed; trying with the lists that are here" >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
