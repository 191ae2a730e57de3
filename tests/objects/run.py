#!/usr/bin/env python3
"""Objects of every target: what is in them, and what they compute.

Symbols and sections are read with readelf; objects are linked with tests/common/harness.c and run here, or under qemu-user, and their outputs compared with the
kernel-IR interpreter's. Exit status 77: something could not be run (named); --require qemu makes that a failure.
"""
import argparse
import concurrent.futures
import ctypes
import filecmp
import os
import shutil
import subprocess
import sys

# What an object may need from elsewhere, per target. Nothing.
ALLOWED_UNDEFINED = set()
ALLOWED_SECTIONS = (".text", ".rodata", ".data.rel.ro", ".rela", ".symtab", ".strtab", ".shstrtab", ".note.GNU-stack", ".model_weights")

CFLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1"]

failures = []
skipped = set()


def fail(what):
    failures.append(what)
    print("FAILED:", what)


def tool(*command, cwd=None, env=None):
    r = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return r.returncode, r.stdout


def check_contents(path):
    name = os.path.basename(path)
    case = name.split("-")[0]
    defined = set()
    for line in tool("readelf", "-sW", path)[1].splitlines():
        f = line.split()
        if len(f) < 8 or not f[0].rstrip(":").isdigit() or f[4] not in ("GLOBAL", "WEAK"):
            continue
        (defined.add(f[7]) if f[6] != "UND" else f[7] in ALLOWED_UNDEFINED or fail(f"{name}: undefined symbol {f[7]}"))
    want = {f"{case}_{s}" for s in ("run", "call", "model")}
    if defined != want:
        fail(f"{name}: external symbols {sorted(defined)}, not {sorted(want)}")
    sections = []
    for line in tool("readelf", "-SW", path)[1].splitlines():
        f = line.replace("[ ", "[").split()
        if len(f) > 3 and f[0].startswith("[") and f[1].startswith("."):
            sections.append(f[1])
            flags = f[7] if len(f) > 10 else ""
            if not f[1].startswith(ALLOWED_SECTIONS):
                if f[5].strip("0"):  # empty ones are harmless
                    fail(f"{name}: section {f[1]}")
            if "W" in flags and not f[1].startswith(".data.rel.ro") and f[5].strip("0"):
                fail(f"{name}: writable section {f[1]}")
    if ".note.GNU-stack" not in sections:
        fail(f"{name}: no .note.GNU-stack: the linker would make stacks executable")
    if case == "int16" and ".model_weights" not in sections:
        fail(f"{name}: the weights are not in the section asked for")


def check_same(a, b):
    names = sorted(n for n in os.listdir(b) if n.endswith((".o", ".h")))
    _, mismatch, errors = filecmp.cmpfiles(a, b, names, shallow=False)
    for n in mismatch + errors:
        fail(f"{n}: another run, from another folder by another user, wrote other bytes")


def compilers(opts):
    return {"x86": [opts.cc], "aarch64": [opts.aarch64_cc, "-static"]}


def compile_once(opts, arch):
    """The harness and the runtime; the harness finds its model under a name given at link time."""
    cc, out = compilers(opts)[arch], []
    for f, flags in (("tests/common/harness.c", ["-DMODEL=model_under_test"]), ("runtime/rt_cpu.c", []), ("runtime/rt_model.c", [])):
        o = os.path.join(opts.work, f"{arch}-{os.path.basename(f)}.o")
        status, text = tool(*cc, *CFLAGS, "-fno-pie", "-I" + opts.source, *flags, "-c", os.path.join(opts.source, f), "-o", o)
        if status:
            sys.exit(f"{f}: {text}")
        out.append(o)
    return out


def build(opts, case, target, sources, flags, out):
    arch = "aarch64" if target.startswith("aarch64") else "x86"
    status, text = tool(*compilers(opts)[arch], *CFLAGS, "-no-pie", "-I" + opts.source, "-I" + opts.work, *flags, *sources,
                        os.path.join(opts.work, f"{case}-{target}.o"), "-o", out)
    if status:
        fail(f"{case} {target}: cannot be linked:\n{text}")
    return status == 0


def run_case(opts, common, case, target, prefix):
    base = os.path.join(opts.work, f"{case}-{target}")
    if build(opts, case, target, common, [f"-Wl,--defsym=model_under_test={case}_model"], base + ".exe"):
        status, text = tool(*prefix, base + ".exe", os.path.join(opts.work, case + ".in"), base + ".out")
        if status:
            fail(f"{case} {target}: {text.strip()} (status {status})")
        elif not filecmp.cmp(base + ".out", os.path.join(opts.work, case + ".want"), shallow=False):
            fail(f"{case} {target}: other bytes than the interpreter")
    if case not in ("int8", "int16", "loops"):
        return
    abi = [os.path.join(opts.source, "tests/objects/abi.c"), *common[1:]]
    if build(opts, case, target, abi, [f"-DNAME={case}", f'-DHEADER="{case}.h"', f'-DTARGET="{target}"'], base + ".abi"):
        status, text = tool(*prefix, base + ".abi")
        if status:
            fail(f"{case} {target}: {text.strip()} (status {status})")


def check_shared(opts, target):
    """Position independent: several objects in one shared library, loaded here."""
    lib = os.path.join(opts.work, "models.so")
    objects = [os.path.join(opts.work, f"{c}-{target}.o") for c in ("loops", "dot_u8s8", "luts")]
    status, text = tool(opts.cc, "-shared", "-Wl,-z,text", "-Wl,-z,defs", "-nostdlib", *objects, "-o", lib)
    if status:
        return fail(f"shared library for {target}: {text}")
    so = ctypes.CDLL(lib)
    data = open(os.path.join(opts.work, "luts.in"), "rb").read()[:8192]
    want = open(os.path.join(opts.work, "luts.want"), "rb").read()
    want = want[:len(want) // 3]
    out = ctypes.create_string_buffer(b"\xa5" * len(want), len(want))
    if so.luts_run(data, data[4096:], out, None) != 0 or out.raw != want:
        fail(f"luts in a shared library for {target}: other bytes")


def check_small_cpus(opts, ran):
    """Code for a target runs on the least CPU that has it, and objects refuse a CPU that lacks what they need (by the runtime's ig_model_supported)."""
    def harness(qemu, cpu, case, target):
        base = os.path.join(opts.work, f"{case}-{target}")
        status, text = tool(qemu, "-cpu", cpu, base + ".exe", os.path.join(opts.work, case + ".in"), base + ".small")
        return status, text, status == 0 and filecmp.cmp(base + ".small", os.path.join(opts.work, case + ".want"), shallow=False)

    if "aarch64-neon" in ran:
        for case in ("fpack", "dot_s8s8", "luts"):
            if not harness("qemu-aarch64", "cortex-a53", case, "aarch64-neon")[2]:
                fail(f"{case} aarch64-neon on a Cortex-A53")
    if "aarch64-dotprod" in ran:
        status, text, _ = harness("qemu-aarch64", "cortex-a53", "int8", "aarch64-dotprod")
        if status != 1 or "this CPU cannot run aarch64-dotprod" not in text:
            fail(f"int8 aarch64-dotprod on a Cortex-A53 is not refused: status {status}, {text}")
    if "x86-64-v3" in ran and shutil.which("qemu-x86_64"):
        for case in ("fpack", "dot_s16", "luts", "floats"):
            if not harness("qemu-x86_64", "Haswell", case, "x86-64-v3")[2]:
                fail(f"{case} x86-64-v3 on a Haswell")
        status, text, _ = harness("qemu-x86_64", "Nehalem", "int8", "x86-64-v3")
        if status != 1 or "this CPU cannot run x86-64-v3" not in text:
            fail(f"int8 x86-64-v3 on a Nehalem is not refused: status {status}, {text}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--gen", required=True)
    p.add_argument("--source", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--cc", default="gcc")
    p.add_argument("--aarch64-cc", default="aarch64-linux-gnu-gcc")
    p.add_argument("--require", default=os.environ.get("IG_REQUIRE", ""))
    opts = p.parse_args()
    again = os.path.join(opts.work, "again")
    shutil.rmtree(opts.work, ignore_errors=True)
    os.makedirs(again)
    status, text = tool(opts.gen, opts.work)
    if status:
        sys.exit("gen_objects: " + text)
    status, more = tool(opts.gen, ".", "6", cwd=again, env={"PATH": os.environ["PATH"], "USER": "somebody", "HOME": "/nonexistent", "TZ": "Asia/Tokyo"})
    if status or not more or not text.startswith(more):
        fail("gen_objects: a second run differs: " + more[-300:])
    check_same(opts.work, again)
    native = None
    ran = {}
    jobs = []
    common = {}
    for line in text.splitlines():
        case, target, qemu, here, stack = line.split()
        check_contents(os.path.join(opts.work, f"{case}-{target}.o"))
        if not 0 < int(stack) < 16384:
            fail(f"{case} {target}: {stack} bytes of stack")
        if here == "1":
            native = target
            prefix = []
        elif shutil.which(qemu) and shutil.which(opts.aarch64_cc):
            prefix = [qemu]
        else:
            skipped.add(f"{target} ({'no ' + qemu if qemu != '-' else 'not this CPU'})")
            continue
        arch = target.split("-")[0]
        if arch not in common:
            common[arch] = compile_once(opts, arch)
        jobs.append((common[arch], case, target, prefix))
        ran[target] = ran.get(target, 0) + 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: run_case(opts, *job), jobs))
    if native:
        check_shared(opts, native)
    check_small_cpus(opts, ran)
    print("run: " + ", ".join(f"{t} {n}" for t, n in ran.items()) + "; not run: " + (", ".join(sorted(skipped)) or "none"))
    if failures:
        sys.exit(f"{len(failures)} failures")
    if "qemu" in opts.require and any("qemu" in s for s in skipped):
        sys.exit("qemu is required")


main()
