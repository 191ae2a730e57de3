#!/usr/bin/env bash
# Makes the Python environment of the peers that tests and benchmarks compare with: $IG_VENV, else .venv in the checkout. Does nothing when it is complete.
# Exit status 1 with a reason when it cannot be made. pip takes its settings (indexes, find-links) from its own configuration.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${IG_VENV:-.venv}
pins=scripts/peers.txt

complete() {
	[ -x "$venv/bin/python" ] && "$venv/bin/python" - "$pins" <<'PYTHON'
import sys
from importlib.metadata import PackageNotFoundError, version

for line in open(sys.argv[1]):
    name, _, want = line.split("#")[0].strip().partition("==")
    try:
        if name and version(name).split("+")[0] != want:
            sys.exit(1)
    except PackageNotFoundError:
        sys.exit(1)
PYTHON
}

# Twice, because indexes hiccup.
install() {
	"$venv/bin/pip" install -q --disable-pip-version-check "$@" || "$venv/bin/pip" install -q --disable-pip-version-check "$@"
}

complete && exit 0
echo "peers: making $venv"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || {
	echo "peers: python3 -m venv failed" >&2
	exit 1
}
# torch first and alone: the build without CUDA where there is one.
torch=$(grep '^torch==' "$pins")
"$venv/bin/pip" install -q --disable-pip-version-check "$torch+cpu" 2>/dev/null || install "$torch" || {
	echo "peers: $torch cannot be installed" >&2
	exit 1
}
install -r "$pins" || {
	echo "peers: the packages of $pins cannot be installed" >&2
	exit 1
}
complete || {
	echo "peers: $venv does not hold the versions of $pins" >&2
	exit 1
}
