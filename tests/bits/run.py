#!/usr/bin/env python3
"""Emitted C and cross-compiled objects of random graphs (or of a model), compared with the graph interpreter: one program holds many models.

Exit status 77 and a line "SKIP: reason [what is missing]" when a compiler or emulator is not there.
"""
import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import time

C99 = "-std=c99 -Wall -Wextra -Wpedantic -Werror"
# name: (target, compiler of the models, its options, compiler that links, emulator)
CONFIGS = {
    "gcc-O0": ("c", "gcc", "-O0", "gcc", None),
    "gcc-O3": ("c", "gcc", "-O3", "gcc", None),
    "gcc-O3-contract": ("c", "gcc", "-O3 -mfma -mavx2 -ffp-contract=fast", "gcc", None),
    "clang-O0": ("c", "clang-19", "-O0", "clang-19", None),
    "clang-O3": ("c", "clang-19", "-O3", "clang-19", None),
    "aarch64-gcc": ("c", "aarch64-linux-gnu-gcc", "-O1", "aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "aarch64-neon": ("aarch64-neon", None, "", "aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "aarch64-dotprod": ("aarch64-dotprod", None, "", "aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "x86-64-amx": ("x86-64-amx", None, "", "gcc", None),
    "x86-64-amx-c": ("x86-64-amx.c", "clang-19", "-O1", "clang-19", None),
    "x86-64-avx512vnni-c": ("x86-64-avx512vnni.c", "gcc", "-O1", "gcc", None),
    "aarch64-i8mm": ("aarch64-i8mm", None, "", "aarch64-linux-gnu-gcc", "qemu-aarch64"),
}


def skip(reason, missing):
    print(f"SKIP: {reason} [{missing}]")
    sys.exit(77)


def run(*command, cwd=None):
    r = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        print(" ".join(command))
        print(r.stdout[-4000:])
        sys.exit(1)
    return r.stdout


def need(config):
    target, compiler, options, linker, emulator = CONFIGS[config]
    for tool in filter(None, (compiler, linker)):
        if not shutil.which(tool):
            skip(f"no {tool}", "qemu" if emulator else "compilers")
    if emulator and not shutil.which(emulator):
        skip(f"no {emulator}", "qemu")
    if target == "x86-64-amx" and " amx_int8 " not in open("/proc/cpuinfo").read().replace("\n", " "):
        skip("this CPU has no AMX", "cpu")
    if "-mfma" in options and " fma " not in open("/proc/cpuinfo").read().replace("\n", " "):
        skip("this CPU has no fused multiply-add", "cpu")


def compile_all(config, folder):
    _, compiler, options, _, _ = CONFIGS[config]
    if not compiler:
        return
    sources = sorted((f for f in os.listdir(folder) if f.endswith(".c")), key=lambda f: -os.path.getsize(os.path.join(folder, f)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for r in [pool.submit(run, compiler, *options.split(), *C99.split(), "-c", f, cwd=folder) for f in sources]:
            r.result()


def check(args, config, emit):
    need(config)
    target, _, _, linker, emulator = CONFIGS[config]
    folder = os.path.join(args.work, config)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    began = time.time()
    emit(folder, target)
    emitted = time.time()
    compile_all(config, folder)
    objects = sorted(f for f in os.listdir(folder) if f.endswith(".o"))
    runtime = [os.path.join(args.source, "runtime", f) for f in ("rt_cpu.c", "rt_model.c")]
    run(linker, "-std=gnu11", "-O1", f"-I{args.source}", "-I.", os.path.join(args.source, "tests/bits/batch.c"), *runtime, *objects, *(["-static"] if emulator else []),
        "-o", "batch", cwd=folder)
    compiled = time.time()
    said = run(*filter(None, (emulator, "./batch", "data.bin")), cwd=folder)
    print(f"{config}: {said.strip()} (emitted in {emitted - began:.1f} s, compiled in {compiled - emitted:.1f} s, run in {time.time() - compiled:.1f} s)", flush=True)
    if not args.keep:
        shutil.rmtree(folder)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--check", required=True, help="the bits_check program")
    p.add_argument("--source", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--first", type=int, default=1 << 20, help="first seed; from 2^20 on graphs are small")
    p.add_argument("--count", type=int, default=300, help="graphs")
    p.add_argument("--keep", action="store_true", help="leave the files")
    p.add_argument("config", nargs="+", choices=CONFIGS)
    args = p.parse_args()
    for config in args.config:
        check(args, config, lambda folder, target: run(args.check, "emit", folder, target, str(args.first), "1", str(args.count)))


if __name__ == "__main__":
    main()
