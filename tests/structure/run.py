#!/usr/bin/env python3
"""What the folders promise each other: include directions, LLVM only in codegen/llvm_*, a freestanding runtime, external names with our prefixes, no
mutable globals, no transcendental function of the build machine's libm; and a report of the longest files and functions.

run.py --source FOLDER [--libraries LIB...]"""
import argparse
import pathlib
import re
import subprocess
import sys

# Which folders a folder may include.
MAY = {
    "runtime": {"runtime"},
    "ir": {"ir", "runtime"},
    "frontend": {"frontend", "ir", "runtime"},
    "passes": {"passes", "ir", "runtime"},
    "targets": {"targets", "runtime"},
    "codegen": {"codegen", "ir", "targets", "runtime"},
    "onnx": {"onnx", "frontend", "ir", "runtime"},
    "driver": {"driver", "onnx", "codegen", "passes", "frontend", "targets", "ir", "runtime"},
}
GENERATED = {"frontend": {"frontend_parser.h", "frontend_lexer.h"}}
FREESTANDING = {"stdint.h", "stddef.h", "stdbool.h"}
HOSTED = {"runtime/rt_cpu.c", "runtime/rt_model.c", "runtime/rt_pool.c"}  # the runtime's optional hosted parts
LIBRARIES = {"jansson.h": {"driver", "frontend"}, "zip.h": {"driver", "frontend"}, "onnx.pb-c.h": {"onnx"}}
PREFIX = re.compile(r"(ig|kir|kb)_")
LIBM = re.compile(r"(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|sinh|cosh|asin|acos|atan|atan2|cbrt|erf|erfc|tgamma|lgamma|hypot)[fl]?$")
ONCE = re.compile(r"once(\.\d+)?$")  # pthread_once_t: what makes the initialization of a library safe
LINES, REPORTED = 700, 600

failures = []


def fail(text):
    failures.append(text)
    print("FAILED:", text)


def sources(root):
    for folder in MAY:
        for path in sorted((root / folder).iterdir()):
            if path.suffix in (".c", ".h", ".y", ".l", ".def"):
                yield folder, path


def check_include(folder, place, name, quoted, line):
    where = f"{place}:{line}: includes {name}"
    if quoted:
        if name in GENERATED.get(folder, ()):
            return
        target = name.split("/")[0]
        if "/" not in name:
            fail(f"{where}: write the folder (\"{folder}/{name}\")")
        elif target not in MAY[folder]:
            fail(f"{where}: {folder}/ may include only {', '.join(sorted(MAY[folder]))}")
        elif not (args.source / name).exists():
            fail(f"{where}: there is no such file")
        return
    if name.startswith("llvm-c/") and not re.match(r"codegen/llvm_\w+\.[ch]$", place):
        fail(f"{where}: only codegen/llvm_*.c may see LLVM")
    if folder not in LIBRARIES.get(name, {folder}):
        fail(f"{where}: not in {folder}/")
    if folder == "runtime" and place not in HOSTED and name not in FREESTANDING:
        fail(f"{where}: the runtime is freestanding")


def check_includes(root):
    count = 0
    for folder, path in sources(root):
        place = str(path.relative_to(root))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', line)
            if found:
                check_include(folder, place, found.group(1) or found.group(2), found.group(1) is not None, number)
                count += 1
    print(f"{count} includes")


def check_lengths(root):
    lengths = sorted(((len(path.read_text().splitlines()), str(path.relative_to(root))) for _, path in sources(root)), reverse=True)
    print(f"{len(lengths)} files, {sum(n for n, _ in lengths)} lines; the longest: " + ", ".join(f"{p} {n}" for n, p in lengths[:5]))
    for n, place in lengths:
        if n > LINES:
            fail(f"{place}: {n} lines; one subject a file, at most {LINES}")
        elif n > REPORTED:
            print(f"note: {place}: {n} lines")
    functions = []
    for _, path in sources(root):
        start = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                functions.append((number - start + 1, f"{path.relative_to(root)}:{start}"))
                start = None
    functions.sort(reverse=True)
    print(f"{len(functions)} functions; the longest: " + ", ".join(f"{p} {n}" for n, p in functions[:5]))


def symbols(library):
    """(member, section, type, name) of the archive's defined symbols, and its undefined names."""
    defined, undefined, member = [], set(), ""
    text = subprocess.run(["nm", "-f", "sysv", library], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        heading = re.match(r"Symbols from .*\[(.*)\]:", line)
        if heading:
            member = heading.group(1)
        f = [x.strip() for x in line.split("|")]
        if len(f) == 7 and f[0] != "Name":
            if f[2] in ("U", "w"):
                undefined.add(f[0])
            else:
                defined.append((member, f[6], f[2], f[0]))
    return defined, undefined


def check_library(library):
    defined, undefined = symbols(library)
    name = pathlib.Path(library).name
    if not defined:
        fail(f"{name}: no symbols were read")
    for member, section, kind, symbol in defined:
        if kind.isupper() and kind not in "VW" and not PREFIX.match(symbol):
            fail(f"{name}({member}): external symbol {symbol} has none of our prefixes")
        if section in (".data", ".bss", "*COM*") and not symbol.startswith(("__", ".L")) and not ONCE.match(symbol):
            fail(f"{name}({member}): {symbol} is a mutable global")
    for symbol in sorted(undefined):
        if LIBM.match(symbol):
            fail(f"{name}: calls {symbol} of the build machine's libm; see ir/detmath.h")
    print(f"{name}: {len(defined)} symbols")


parser = argparse.ArgumentParser()
parser.add_argument("--source", type=pathlib.Path, required=True)
parser.add_argument("--libraries", nargs="*", default=[])
args = parser.parse_args()
check_includes(args.source)
check_lengths(args.source)
for each in args.libraries:
    check_library(each)
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
