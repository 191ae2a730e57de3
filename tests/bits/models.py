#!/usr/bin/env python3
"""The example models on real samples: every engine and emitter against the graph interpreter, every stored tensor.

    models.py [options] engines|float|CONFIG...     (CONFIG: see run.py; float: the engines on the model with every layer skipped)
"""
import argparse
import os
import pathlib
import sys

import run as bits

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "real"))
import models as real  # noqa: E402


class Digits:
    """The example that ships with its data."""
    name, calib_slice, test_slice = "digits", None, None
    path = SOURCE / "examples" / "digits" / "model.ig"
    calib, test = SOURCE / "examples" / "digits" / "calib.npy", SOURCE / "examples" / "digits" / "test.npy"


def compiled(args, model, data, skip=False):
    """The model after all passes, as a file."""
    base = os.path.join(args.work, model.name + ("-float" if skip else ""))
    how = ["--calibration", str(data / model.calib), "--calibration-samples", model.calib_slice or "0:100"]
    if skip:
        rules = os.path.join(args.work, "skip.ig")
        pathlib.Path(rules).write_text("quantize {\n  default skip\n}\n")
        how = ["--qconfig", rules]
    bits.run(args.intaglio, "compile", str(model.path), "--quiet", "--emit", "ir", "-o", base, *how)
    return base + ".ir"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--check", required=True)
    p.add_argument("--intaglio", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--samples", type=int, default=50)
    p.add_argument("--keep", action="store_true")
    p.add_argument("config", nargs="+", choices=["engines", "float", *bits.CONFIGS])
    args = p.parse_args()
    args.source = str(SOURCE)
    for config in args.config:
        if config in bits.CONFIGS:
            bits.need(config)
    os.makedirs(args.work, exist_ok=True)
    todo = [(Digits, pathlib.Path())]
    try:
        data = real.data_folder()
        todo += [(m, data) for m in real.MODELS]
    except SystemExit:
        pass  # it has said what is not there; digits are always compared
    for model, folder in todo:
        path, samples = compiled(args, model, folder), str(folder / model.test)
        first = (model.test_slice or "0").split(":")[0]
        for config in args.config:
            if config == "engines":
                print(bits.run(args.check, "model", path, samples, first, str(args.samples)), end="", flush=True)
            elif config == "float":
                skipped = compiled(args, model, folder, True)
                print("float", bits.run(args.check, "model", skipped, samples, first, str(args.samples // 5)), end="", flush=True)
            else:
                print(model.name, end=" ", flush=True)
                bits.check(args, config, lambda out, target: bits.run(args.check, "emit-model", out, target, path, samples, first, str(args.samples)))


if __name__ == "__main__":
    main()
