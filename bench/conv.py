#!/usr/bin/env python3
"""How near the convolution schedule comes to this CPU's int8 peak, one thread, requantization included.

A layer's time is the difference between a chain of nine such layers and one of a single layer, over eight: what the model does to its input and output
falls out. The peak (bench/peak.c) is measured in turn with the layers.

conv.py --intaglio PROGRAM [--target T] [--rounds N] [--json]"""
import argparse
import json
import pathlib
import statistics
import tempfile

import numpy as np

from common import Model, Peak, pin

LAYERS = [  # name, channels, size, kernel
    ("3x3 64->64 @32x32", 64, 32, 3),
    ("1x1 256->256 @14x14", 256, 14, 1),
    ("3x3 128->128 @28x28", 128, 28, 3),
    ("1x1 64->64 @56x56", 64, 56, 1),
]
LONG, SHORT = 9, 1


def safetensors(tensors):
    header, at, data = {}, 0, b""
    for name in sorted(tensors):
        raw = tensors[name].astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def chain(folder, intaglio, target, length, channels, size, kernel):
    rng = np.random.default_rng(length)
    deviation = (2 / (channels * kernel * kernel)) ** 0.5
    tensors = {}
    for i in range(length):
        tensors[f"conv{i}.weight"] = rng.normal(0, deviation, (channels, channels, kernel, kernel))
        tensors[f"conv{i}.bias"] = rng.normal(0, 0.1, channels)
    (folder / f"{length}.safetensors").write_bytes(safetensors(tensors))
    source = folder / f"chain{length}.ig"
    source.write_text(f"""weights "{length}.safetensors"
model chain(x: f32[1, {channels}, {size}, {size}]) -> (y: f32[1, {channels}, {size}, {size}]) {{
  h = x
  repeat {length} as i {{ h = relu(conv2d(h, filters: {channels}, kernel: {kernel}, pad: same, name: "conv{{i}}")) }}
  y = h
}}
""")
    np.save(folder / "calib.npy", rng.normal(0, 1, (100, channels, size, size)).astype(np.float32))
    return Model(intaglio, source, ["--calibration", folder / "calib.npy"], target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--intaglio", default="build/intaglio")
    parser.add_argument("--target", default="native")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    pin()
    peak = Peak()
    results = []
    for name, channels, size, kernel in LAYERS:
        with tempfile.TemporaryDirectory() as temp:
            folder = pathlib.Path(temp)
            models = {n: chain(folder, args.intaglio, args.target, n, channels, size, kernel) for n in (LONG, SHORT)}
        x = np.random.default_rng(1).normal(0, 1, (channels, size, size)).astype(np.float32)
        macs = channels * channels * kernel * kernel * size * size
        rows = []
        for _ in range(args.rounds):
            top = peak.measure()
            best = max(top["peaks"].items(), key=lambda p: p[1]["gmacs"])
            us = {n: min(model.times(x, 20)) for n, model in models.items()}
            layer = (us[LONG] - us[SHORT]) / (LONG - SHORT)
            gmacs = macs / layer * 1e-3
            rows.append((gmacs / best[1]["gmacs"], gmacs, layer, gmacs / top["ghz"], best))
        share, gmacs, layer, per_cycle, best = sorted(rows, key=lambda r: r[0])[len(rows) // 2]
        results.append({"layer": name, "us": layer, "gmacs": gmacs, "macs_per_cycle": per_cycle, "share_of_peak": share,
                        "shares": [statistics.quantiles([r[0] for r in rows], n=4)[i] for i in (0, 2)],
                        "peak": best[0], "peak_gmacs": best[1]["gmacs"], "cpu": top["cpu"], "ghz": top["ghz"]})
    if args.json:
        print(json.dumps(results, indent=1))
        return
    print(f"{results[0]['cpu']}, {results[0]['ghz']:.2f} GHz, one thread; peak {results[0]['peak']} {results[0]['peak_gmacs']:.0f} GMAC/s; median of {args.rounds} rounds")
    print(f"{'layer':<22}{'us':>9}{'GMAC/s':>9}{'MAC/cycle':>11}{'of peak':>9}   quartiles")
    for r in results:
        print(f"{r['layer']:<22}{r['us']:>9.1f}{r['gmacs']:>9.1f}{r['macs_per_cycle']:>11.1f}{100 * r['share_of_peak']:>8.0f}%   "
              f"{100 * r['shares'][0]:.0f}-{100 * r['shares'][1]:.0f} %")


if __name__ == "__main__":
    main()
