#!/usr/bin/env bash
# Fuzzes the ONNX reader with libFuzzer, address and undefined-behaviour sanitizers. Usage: scripts/fuzz.sh [SECONDS] [BUILD] [JOBS]   (default: 1800 build-fuzz 1)
# The corpus stays in BUILD/corpus, findings in BUILD/findings; it begins with ONNX's own backend tests. Fails when there is a finding.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-1800}
build=${2:-build-fuzz}
jobs=${3:-1}
data=/usr/lib/python3/dist-packages/onnx/backend/test/data

cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_BUILD_TYPE=RelWithDebInfo -DIG_FUZZ=ON >/dev/null
cmake --build "$build" --target onnx_fuzz
mkdir -p "$build/corpus" "$build/findings"
n=0
for model in "$data"/*/*/model.onnx; do
	[ -e "$model" ] || continue
	if [ "$(stat -c %s "$model")" -lt 20000 ]; then
		n=$((n + 1))
		[ -e "$build/corpus/seed-$n" ] || cp "$model" "$build/corpus/seed-$n"
	fi
done
exec "$build/tests/onnx_fuzz" -max_total_time="$seconds" -max_len=20000 -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 -fork="$jobs" \
	-artifact_prefix="$build/findings/" "$build/corpus"
