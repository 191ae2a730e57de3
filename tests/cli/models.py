#!/usr/bin/env python3
"""The five real models: every stored tensor and the outputs of 50 samples, the same bytes from the reference interpreter, the kernel IR's interpreter and
the native object for each target that this CPU runs; the kernel IR of the other targets on 10 samples.

models.py --intaglio PROGRAM --source FOLDER [MODEL...]"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import arguments

# model: samples, their first one, calibration data and its slice
MODELS = {
    "kws": ("kws/test.npy", 0, "kws/calib.npy", ":"),
    "resnet8": ("cifar10/test_images.npy", 0, "cifar10/calib_images.npy", "0:100"),
    "resnet20": ("cifar10/test_images.npy", 0, "cifar10/calib_images.npy", "0:100"),
    "vww": ("vww/photos_calib50_test250.npy", 50, "vww/photos_calib50_test250.npy", "0:50"),
    "ad": ("ad/test.npy", 0, "ad/calib.npy", ":"),
}
TARGETS = ["x86-64-v3", "x86-64-avxvnni", "x86-64-avx512vnni", "aarch64-neon", "aarch64-dotprod", "aarch64-i8mm", "c"]
failures = []


def fail(what):
    failures.append(what)
    print("FAILED:", what)


def run(program, *command):
    return subprocess.run([program, *map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)


def dump(program, folder, model, data, state, first, count, *engine):
    """The run's files by name, or None when the engine does not run here."""
    where = folder / "tensors"
    shutil.rmtree(where, ignore_errors=True)
    done = run(program, "run", model, "--calibration", state, "--data", data, "--samples", f"{first}:{first + count}", "--dump-tensors", where, "-o", folder / "out.npy", *engine)
    if done.returncode and "cannot run" in done.stderr:
        return None
    if done.returncode:
        fail(f"{model.parent.name} {' '.join(engine)}: {done.stderr}")
        return {}
    files = {p.name: p.read_bytes() for p in where.iterdir()}
    files[""] = (folder / "out.npy").read_bytes()
    return files


def compare(name, engine, want, have):
    if have is None:
        print(f"{name} {' '.join(engine)}: not on this CPU")
        return
    differ = [t for t in have if have[t] != want.get(t)]
    if differ:
        fail(f"{name} {' '.join(engine)}: {', '.join(t or 'the output' for t in differ)} differ")
    if len(have) < 10:
        fail(f"{name} {' '.join(engine)}: only {len(have)} tensors")
    print(f"{name} {' '.join(engine)}: {len(have) - 1} tensors and the output, {sum(map(len, have.values()))} bytes, {len(differ)} tensors differ")


def main():
    args = arguments(__doc__)
    shared = args.source.parent / "shared" / "data"
    if not shared.is_dir():
        print("SKIP: the real models need the shared data [data]")
        return 77
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        for name, (data, first, calib, cut) in MODELS.items():
            if args.names and name not in args.names:
                continue
            model, state = args.source / "examples" / name / "model.ig", folder / "state"
            done = run(args.intaglio, "calibrate", model, shared / calib, "-o", state, *(["--samples", cut] if cut != ":" else []))
            if done.returncode:
                fail(f"{name}: {done.stderr}")
                continue
            want = {n: dump(args.intaglio, folder, model, shared / data, state, first, n, "--engine", "reference") for n in (10, 50)}
            compare(name, ("kir",), want[50], dump(args.intaglio, folder, model, shared / data, state, first, 50, "--engine", "kir"))
            for target in TARGETS:
                engine = ("--engine", "kir", "--target", target)
                compare(name, engine, want[10], dump(args.intaglio, folder, model, shared / data, state, first, 10, *engine))
                if target.startswith("x86" if os.uname().machine == "x86_64" else "aarch64"):
                    engine = ("--engine", "native", "--target", target)
                    compare(name, engine, want[50], dump(args.intaglio, folder, model, shared / data, state, first, 50, *engine))
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
