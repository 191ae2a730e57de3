#!/usr/bin/env python3
"""How fast calibration runs a float model beside ONNX Runtime, which only runs it: images a second on 100 images, both from the program's start or the
session's to the end, and without what comes before the first image. Interleaved; medians.

calibration.py [--intaglio PROGRAM] [--model resnet50] [--samples N] [--threads N] [--rounds N] [--json]"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime

import models


def calibrate(program, folder, model, samples, threads):
    start = time.perf_counter()
    subprocess.run([program, "calibrate", folder / f"{model}.ig", folder / "calib.npy", "--samples", f"0:{samples}", "-j", str(threads), "-o", folder / "state", "--quiet",
                    "--engine", "native"], check=True, capture_output=True)
    return time.perf_counter() - start


def infer(folder, model, samples, threads):
    start = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / f"{model}.onnx"), options, providers=["CPUExecutionProvider"])
    x, between = np.load(folder / "calib.npy", mmap_mode="r"), time.perf_counter()
    for i in range(samples):
        session.run(None, {"x": np.ascontiguousarray(x[i : i + 1])})
    end = time.perf_counter()
    return end - start, end - between


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--intaglio", default="build/intaglio", type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--model", default="resnet50", choices=sorted(models.NETWORKS))
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    ours, ours_steady, theirs, theirs_steady = [], [], [], []
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        models.build(folder, args.model)
        np.save(folder / "calib.npy", models.samples(args.samples))
        for _ in range(args.rounds):
            whole, one = (calibrate(args.intaglio, folder, args.model, n, args.threads) for n in (args.samples, 1))
            ours.append(args.samples / whole)
            ours_steady.append((args.samples - 1) / (whole - one))
            whole, runs = infer(folder, args.model, args.samples, args.threads)
            theirs.append(args.samples / whole)
            theirs_steady.append(args.samples / runs)
    figures = {"model": args.model, "samples": args.samples, "threads": args.threads}
    for name, x in (("images/s", ours), ("images/s without start", ours_steady), ("ONNX Runtime", theirs), ("ONNX Runtime without start", theirs_steady)):
        figures[name] = round(statistics.median(x), 2)
    figures["ratio"] = round(statistics.median(a / b for a, b in zip(ours, theirs)), 3)
    figures["ratio without start"] = round(statistics.median(a / b for a, b in zip(ours_steady, theirs_steady)), 3)
    print(json.dumps(figures) if args.json else "\n".join(f"{k:28} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
