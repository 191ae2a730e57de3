#!/usr/bin/env python3
"""Weights stored in fewer bits: the model under a quantize block must give, on every engine, the bytes of the float model whose weights NumPy has rounded.

Layers that quantize their input at run time must give the bytes of the oracle's formula for inputs of every kind, and need no calibration. The object must also hold the weights in that form, and the model after all passes must read back and give the same bytes."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import env  # noqa: E402

env.need("numpy")
import numpy as np  # noqa: E402

from graphs import Graph, Q, same, save_safetensors  # noqa: E402

MODEL = """weights "w.safetensors"

model m(x: f32[1, 12, 5, 6]) -> (y: f32[1, 20]) {
  a = relu(conv2d(x, filters: 48, kernel: 3, pad: 1, stride: 2, name: "a"))
  b = conv2d(a, filters: 33, kernel: 1, name: "b")
  c = conv2d(b, filters: 32, kernel: 1, groups: 1, name: "c")
  d = relu(add(linear(reshape(c, shape: [1, 288]), units: 96, name: "d"), linear(reshape(x, shape: [1, 360]), units: 96, name: "e")))
  y = linear(d, units: 20, name: "y")
}
"""
SHAPES = {"a": (48, 12, 3, 3), "b": (33, 48, 1, 1), "c": (32, 33, 1, 1), "d": (96, 288), "e": (96, 360), "y": (20, 96)}


def make_weights(rng):
    w = {}
    for name, shape in SHAPES.items():
        fan = np.prod(shape[1:])
        t = rng.normal(0, 1 / np.sqrt(fan), shape)
        t *= 10.0 ** rng.choice([0, 0, 0, -4, -7, -9], shape)  # subnormal in float16, and below it
        at = rng.random(shape) < 0.2
        t[at] = np.round(t[at] * 64) / 64 + 2.0 ** -12 * rng.integers(-8, 9, at.sum())  # few bits: ties
        w[name + ".weight"] = t.astype(np.float32)
        w[name + ".bias"] = rng.normal(0, 0.3, shape[0]).astype(np.float32)
    return w


def integers(w, bits, group, per_channel, narrow):
    """(float)q * s of symmetric weights: s = amax / (half of the range), at least 2^-23."""
    lo, hi = -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    if group and w[0].size % group:
        per = w[0].size
        flat, parts = w.reshape(-1, per), range(0, per, group)
        return np.concatenate([integers(flat[:, k : k + group], bits, 0, True, narrow) for k in parts], axis=1).reshape(w.shape)
    rows = w.reshape(-1, group) if group else w.reshape(w.shape[0] if per_channel else 1, -1)
    s = np.abs(rows).max(axis=1) / np.float32((hi - lo) / 2)
    s = np.maximum(s, np.float32(2.0 ** -23))[:, None]
    return (np.clip(np.rint(rows / s), lo, hi).astype(np.float32) * s).reshape(w.shape)


def bfloat(w):
    u = w.view(np.uint32).astype(np.uint64)
    u = (u + 0x7fff + ((u >> 16) & 1)) >> 16 << 16
    return u.astype(np.uint32).view(np.float32)


def half(w):
    return w.astype(np.float16).astype(np.float32)


def s8(w):
    return integers(w, 8, 0, True, 1)


# rules, and what becomes of each layer's weights; `size`: bytes of a weight of layer e
CASES = [
    ("default weight_only()", dict.fromkeys("abcdey", s8), 1),
    ("default weight_only(weights: minmax(s8, per_tensor, quant_min: -128, quant_max: 127))", dict.fromkeys("abcdey", lambda w: integers(w, 8, 0, False, 0)), 1),
    ("default weight_only(weights: minmax(s4, per_channel))", dict.fromkeys("abcdey", lambda w: integers(w, 4, 0, True, 0)), 0.5),
    ("default skip\n  type linear weight_only(weights: minmax(s4, group: 8))\n  layer \"b\" weight_only(weights: minmax(s8, group: 16))\n  layer \"c\" weight_only(weights: minmax(s4, group: 3))",
     {**dict.fromkeys("dey", lambda w: integers(w, 4, 8, True, 0)), "b": lambda w: integers(w, 8, 16, True, 1), "c": lambda w: integers(w, 4, 3, True, 0)}, 0.5),
    # groups that leave a shorter one at the end: 288, 360 and 96 channels by 50, 48 by 36, 33 by 32
    ("default skip\n  type linear weight_only(weights: minmax(s4, group: 50))\n  layer \"b\" weight_only(weights: minmax(s8, group: 36))\n  layer \"c\" weight_only(weights: minmax(s4, group: 32))",
     {**dict.fromkeys("dey", lambda w: integers(w, 4, 50, True, 0)), "b": lambda w: integers(w, 8, 36, True, 1), "c": lambda w: integers(w, 4, 32, True, 0)}, 0.5),
    # of more channels than there are: one a channel
    ("default skip\n  type linear weight_only(weights: minmax(s4, group: 7))\n  layer \"c\" weight_only(weights: minmax(s8, group: 64))",
     {**dict.fromkeys("dey", lambda w: integers(w, 4, 7, True, 0)), "c": s8}, 1.6),
    ("default float16", dict.fromkeys("abcdey", half), 2),
    ("default bfloat16", dict.fromkeys("abcdey", bfloat), 2),
    ("default float16_dynamic\n  type linear bfloat16\n  layer \"y\" skip\n  layer \"a\" weight_only()", {"a": s8, "b": half, "c": half, "d": bfloat, "e": bfloat}, 2),
]


def run(*command, cwd):
    r = subprocess.run([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if r.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {r.stderr}")
    return r.stdout


def outputs(intaglio, folder, model, engine, *more):
    run(intaglio, "run", model, "--data", "x.npy", "--engine", engine, "-q", "-o", "y.npy", *more, cwd=folder)
    return np.load(folder / "y.npy")


def bad_graphs(intaglio, folder):
    """Weights that nothing computes, in explicit form: refused by the compiler, not read as something else."""
    np_w = {"w": np.ones((4, 6), np.int8), "k": np.ones((4, 1, 3, 3), np.int8), "nine": np.full((4, 6), 9, np.int8)}
    save_safetensors(folder / "w.safetensors", np_w)
    linear = ("f32[1, 6]", "f32[1, 4]", "linear")
    twelve = ", ".join(["1.0"] * 12)
    cases = [(*linear, "s4[4, 6] {scale: [" + twelve + "], axis: 0, group: 2}", "w", "must be along axis 1"),
             (*linear, "s8[4, 6] {scale: 1.0, zero_point: 3}", "w", "zero point 0"),
             (*linear, "s8[4, 6] {scale: [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], axis: 1}", "w", "one for each output channel"),
             (*linear, "s4[4, 6] {scale: 1.0}", "nine", "9 is no s4"),
             ("u8[1, 6] {scale: 0.5}", "f32[1, 4]", "linear", "s4[4, 6] {scale: 1.0}", "w", "needs one scale, and an s8 weight"),
             ("f32[1, 4, 5, 5]", "f32[1, 4, 3, 3]", "depthwise_conv2d", "s8[4, 1, 3, 3] {scale: 1.0}", "k", "so its weights must be")]
    wrong = 0
    for x, y, op, w, name, text in cases:
        (folder / "bad.ig").write_text(f'weights "w.safetensors"\nmodel m(x: {x}) -> (y: {y}) quantized {{\n  w: {w} = constant(tensor: "{name}")\n  y: {y} = {op}(x, w)\n}}\n')
        r = subprocess.run([intaglio, "compile", "bad.ig", "--quiet", "-o", "n"], cwd=folder, stderr=subprocess.PIPE, text=True)
        if r.returncode != 1 or text not in r.stderr:
            wrong += 1
            print(f"weights {w}: expected {text!r}, got status {r.returncode}: {r.stderr}")
    return wrong


def inputs_of_every_kind(shape):
    rng = np.random.default_rng(9)
    base = rng.normal(0, 1, shape).astype(np.float32)
    spoilt = [base.copy() for _ in range(3)]
    for s, values in zip(spoilt, ([np.nan, np.inf], [-np.inf, np.nan, np.inf], [3.4e38, -3.4e38, np.inf])):
        s.flat[rng.permutation(base.size)[:len(values)]] = values
    return [base, np.zeros(shape, np.float32), -np.zeros(shape, np.float32), np.abs(base), -np.abs(base), base * np.float32(1e-38), base * np.float32(3e-44),
            base * np.float32(1e37), np.full(shape, np.nan, np.float32), np.full(shape, -np.inf, np.float32), base + 1000, *spoilt]


def dynamic(intaglio, folder):
    rng, wrong, values = np.random.default_rng(8), 0, 0
    for layer, levels in enumerate((255, 127, 255, 255)):
        g, shape = Graph(), (1, 5, 6, 7)
        attrs = {"dynamic": levels, **({"min": 0.0} if layer == 1 else {}), **({"pad": [1, 1, 2, 0], "stride": [2, 1]} if layer < 3 else {})}
        op, w = [("conv2d", (9, 5, 3, 3)), ("conv2d", (3, 5, 2, 3)), ("depthwise_conv2d", (5, 1, 3, 3)), ("linear", (33, 7))][layer]
        scale = np.float32(0.01) if layer == 1 else rng.uniform(0.001, 0.02, w[0]).astype(np.float32)
        weight = g.constant(rng.integers(-128, 128, w).astype(np.int8), Q("s8", scale))
        g.node(op, [g.input(np.zeros(shape, np.float32)), weight, g.constant(rng.normal(0, 1, w[0]).astype(np.float32))][:3 if layer != 2 else 2], attrs)
        samples = [[x] for x in inputs_of_every_kind(shape)]
        for engine in ("reference", "kir", "native"):
            got = g.run(intaglio, str(folder / f"{layer}{engine}"), samples, engine)["v0"]
            for s, (x, y) in enumerate(zip(samples, got)):
                want = g.evaluate(x)["v0"]
                values += want.size
                if not same(y, want).all():
                    wrong += 1
                    print(f"{op} on sample {s} by {engine}: {(~same(y, want)).sum()} of {want.size} values differ from the formula")
    print(f"dynamic: {values} values compared with the formula, {wrong} wrong")
    return wrong


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--intaglio", required=True, type=lambda s: pathlib.Path(s).resolve())
    args = p.parse_args()
    rng = np.random.default_rng(5)
    weights, values, wrong = make_weights(rng), 0, 0
    with tempfile.TemporaryDirectory() as temp:
        for i, (rules, rounds, size) in enumerate(CASES):
            ours, theirs = pathlib.Path(temp) / f"a{i}", pathlib.Path(temp) / f"b{i}"
            rounded = {k: rounds.get(k[0], lambda w: w)(w) if k.endswith("weight") else w for k, w in weights.items()}
            for folder, w, text in ((ours, weights, rules), (theirs, rounded, "default skip")):
                folder.mkdir()
                save_safetensors(folder / "w.safetensors", w)
                (folder / "m.ig").write_text(MODEL + "quantize {\n  " + text + "\n}\n")
                np.save(folder / "x.npy", np.random.default_rng(i).normal(0, 1, (8, 12, 5, 6)).astype(np.float32))
            want = outputs(args.intaglio, theirs, "m.ig", "reference")
            run(args.intaglio, "compile", "m.ig", "--quiet", "--emit", "obj,ir", "--target", "x86-64-v3", "-o", "m", cwd=ours)
            run(args.intaglio, "compile", "m.ig", "--quiet", "--emit", "obj", "--target", "x86-64-v3", "-o", "m", cwd=theirs)
            less = (theirs / "m.o").stat().st_size - (ours / "m.o").stat().st_size
            expected = (4 - size) * sum(np.prod(SHAPES[k]) for k in "de")
            if less < 0.8 * expected:
                wrong += 1
                print(f"{rules}: the object is only {less} bytes smaller than the float one, expected {expected:.0f} for two of its layers")
            for model, engine, *more in (("m.ig", "reference"), ("m.ig", "kir"), ("m.ig", "native"), ("m.ig", "native", "--target", "x86-64-v3"), ("m.ir", "reference")):
                if "x86-64-v3" in more and "avx2" not in pathlib.Path("/proc/cpuinfo").read_text():
                    continue
                got = outputs(args.intaglio, ours, model, engine, *more)
                values += got.size
                if got.tobytes() != want.tobytes():
                    wrong += 1
                    print(f"{rules}: {model} by {engine} {more}: {(got != want).sum()} of {got.size} values differ from the float model with rounded weights")
        bad = pathlib.Path(temp) / "a0"
        big = dict(weights, **{"e.weight": weights["e.weight"] * 1e9})
        save_safetensors(bad / "w.safetensors", big)
        for rules, text in (("default float16", "beyond what f16 holds"), ("type conv2d weight_only(weights: minmax(s4, group: 2))", "groups of weights are for"),
                            ("type conv2d skip", None)):
            (bad / "q.ig").write_text("quantize {\n  default skip\n  " + rules + "\n}\n")
            r = subprocess.run([args.intaglio, "compile", "m.ig", "--qconfig", "q.ig", "--quiet", "-o", "n"], cwd=bad, stderr=subprocess.PIPE, text=True)
            if (r.returncode != 0) != (text is not None) or (text and text not in r.stderr):
                wrong += 1
                print(f"{rules}: expected {text!r}, got status {r.returncode}: {r.stderr}")
        (bad / "q.ig").write_text("quantize {\n  default dynamic\n  layer \"a\" default_dynamic\n}\n")
        run(args.intaglio, "compile", "m.ig", "--qconfig", "q.ig", "--quiet", "-o", "n", cwd=bad)
        wrong += bad_graphs(args.intaglio, bad)
        wrong += dynamic(args.intaglio, pathlib.Path(temp))
    print(f"{len(CASES)} quantize blocks, {values} values compared with the float model of rounded weights, {wrong} wrong")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
