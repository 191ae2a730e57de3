#!/usr/bin/env bash
# Builds and runs all the tests: everything in an ordinary build, and all but the slow ones once more under AddressSanitizer and UndefinedBehaviorSanitizer.
#   scripts/test.sh [--require LIST] [--fast]
#   --require LIST   of qemu, peers, data, cpu: a test skipped for want of one is a failure
#   --fast           no installing, no slow tests, no sanitizers
# IG_SHARED: folder with data/ (default ../shared); IG_VENV: the peers' Python environment (default .venv).
set -euo pipefail
cd "$(dirname "$0")/.."

require= fast=
while [ $# -gt 0 ]; do
	case $1 in
	--require)
		[ $# -gt 1 ] || { echo "test.sh: --require needs a list" >&2; exit 2; }
		require=$2
		shift
		;;
	--require=*) require=${1#*=} ;;
	--fast) fast=1 ;;
	*)
		sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
	shift
done
for name in ${require//,/ }; do
	case $name in
	qemu | peers | data | cpu) ;;
	*)
		echo "test.sh: --require knows qemu, peers, data and cpu, not '$name'" >&2
		exit 2
		;;
	esac
done

step() { printf '== %s (%d s so far)\n' "$1" "$SECONDS"; }

notes=()
if [ -z "$fast" ]; then
	step "packages"
	scripts/deps.sh build test
	step "peers"
	if ! scripts/peers.sh; then
		notes+=("peers: the Python environment could not be made")
		case ,$require, in *,peers,*) echo "test.sh: the peers are required" >&2 && exit 1 ;; esac
	fi
fi
venv=${IG_VENV:-.venv}
export IG_PYTHON=${IG_PYTHON:-$([ -x "$venv/bin/python" ] && realpath -s "$venv/bin/python" || command -v python3)}
export IG_SHARED=$(realpath -m "${IG_SHARED:-../shared}")
export IG_REQUIRE=$require
jobs=$(nproc) # before OMP_NUM_THREADS, which nproc obeys
export OMP_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/scripts/lsan.supp:print_suppressions=0

# tree FOLDER CTEST-ARGUMENTS -- CMAKE-ARGUMENTS: builds one tree and runs its tests; results go to FOLDER/results.xml.
tree() {
	local folder=$1 tests=()
	shift
	while [ "$1" != -- ]; do
		tests+=("$1")
		shift
	done
	shift
	rm -f "$folder/results.xml"
	step "build $folder"
	mkdir -p "$folder"
	if ! { cmake -S . -B "$folder" -G Ninja -DIG_WERROR=ON -DBUILD_TESTING=ON "$@" && ninja -C "$folder"; } >"$folder/build.log" 2>&1; then
		tail -n 60 "$folder/build.log" >&2 # the summary counts the missing results as a failure
		return 0
	fi
	tail -n 1 "$folder/build.log"
	step "test $folder"
	ctest --test-dir "$folder" -j "$jobs" --timeout 900 --output-on-failure --output-junit results.xml \
		--test-output-size-passed 200000 --test-output-size-failed 1000000 "${tests[@]}" | sed -u -e 's/ \.\.\.*/ /' || true
}

trees=(build-test)
if [ -n "$fast" ]; then
	tree build-test -LE slow -- -DCMAKE_BUILD_TYPE=RelWithDebInfo
else
	tree build-test -- -DCMAKE_BUILD_TYPE=RelWithDebInfo
	# Not there: what reads the libraries' symbols, and what only takes long (thousands of images, other people's runtimes and compilers).
	tree build-asan -LE '^(structure|real|peers|slow)$' -E '^bits[.](random|models)[.]' -- -DCMAKE_BUILD_TYPE=Debug -DIG_SANITIZE=ON
	trees+=(build-asan)
fi
for note in "${notes[@]}"; do
	echo "note: $note"
done
exec python3 scripts/summary.py --require "$require" --seconds "$SECONDS" "${trees[@]}"
