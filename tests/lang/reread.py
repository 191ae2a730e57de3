#!/usr/bin/env python3
"""The quantized graph of an example, written with --emit ir, runs to the same bytes as the model it was made of, and is written again as the same text.

    reread.py INTAGLIO EXAMPLE_FOLDER
"""
import filecmp, os, subprocess, sys, tempfile


def main():
    intaglio, example = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    model, calib, test = (os.path.join(example, f) for f in ("model.ig", "calib.npy", "test.npy"))
    with tempfile.TemporaryDirectory() as folder:
        def run(*args):
            subprocess.run([intaglio, *args, "--quiet"], cwd=folder, check=True)
        run("compile", model, "--calibration", calib, "--emit", "ir", "-o", "one")
        run("compile", "one.ir", "--emit", "ir", "-o", "two")
        run("run", model, "--calibration", calib, "--data", test, "--samples", "0:20", "-o", "a.npy")
        run("run", "one.ir", "--data", test, "--samples", "0:20", "-o", "b.npy")
        def text(name):
            with open(os.path.join(folder, name)) as f:
                return f.read().split("\n", 1)[1]  # the weights line names another file
        if text("one.ir") != text("two.ir"):
            sys.exit("the graph read back is written as another text")
        for a, b in (("a.npy", "b.npy"), ("one.ir.safetensors", "two.ir.safetensors")):
            if not filecmp.cmp(os.path.join(folder, a), os.path.join(folder, b), shallow=False):
                sys.exit("%s and %s differ" % (a, b))
    print("same bytes")


main()
