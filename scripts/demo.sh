#!/usr/bin/env bash
# Builds the compiler, compiles the digits example to an object, links it into a C program, runs it, and prints what came out.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh build
build=${IG_BUILD:-build}
echo "== build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF >/dev/null
ninja -C "$build" intaglio | tail -1

intaglio=$build/intaglio
example=examples/digits
out=$build/demo
mkdir -p "$out"

echo "== compile $example/model.ig"
"$intaglio" compile "$example/model.ig" --calibration "$example/calib.npy" -o "$out/digits"
gcc -O2 -Wall -I"$out" -Iruntime -o "$out/digits" "$example/main.c" "$out/digits.o"

echo "== float beside int8"
"$intaglio" eval "$example/model.ig" --calibration "$example/calib.npy" --data "$example/test.npy" --labels "$example/test_labels.npy"

echo "== the C program with the object"
"$out/digits" "$example/test.npy" "$example/test_labels.npy"
size -A "$out/digits.o" | awk '
	/^\.text/ { text += $2 }
	/^\.(rodata|data\.rel\.ro)/ { rodata += $2 }
	END { printf "object    %d bytes of code, %d of constants (weights included)\n", text, rodata }'
