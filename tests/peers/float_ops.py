#!/usr/bin/env python3
"""Float operators against PyTorch's (semantics: geometry, padding, ceil_mode, broadcasting ...) on random cases, within float32 rounding."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import env  # noqa: E402

env.need("numpy", "torch")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as tf  # noqa: E402

from common import F, Graph, Report, arguments  # noqa: E402

torch.set_num_threads(1)


def t(a):
    return torch.from_numpy(np.ascontiguousarray(a))


class Floats:
    """Counts comparisons; remembers those beyond the tolerance (relative to the largest magnitude)."""

    def __init__(self, report):
        self.report, self.rows, self.failed = report, {}, False

    def check(self, name, g, theirs, tolerance=2e-6):
        ours, theirs = self.report.ours(g), theirs.numpy()
        row = self.rows.setdefault(name, [0, 0, 0.0])
        row[0] += 1
        row[1] += theirs.size
        if ours.shape != theirs.shape:
            print(f"{name} {g.nodes[-1][2]}: shape {ours.shape}, PyTorch has {theirs.shape}")
            self.failed = True
            return
        error = float(np.max(np.abs(ours - theirs)) / max(1.0, float(np.max(np.abs(theirs)))))
        row[2] = max(row[2], error)
        if not error <= tolerance:
            print(f"{name} {g.nodes[-1][2]}: error {error}")
            self.failed = True


def convs(f, r):
    for _ in range(25):
        c, groups, k = int(r.choice([1, 2, 3, 4, 6, 8])), 1, [int(v) for v in r.integers(1, 5, 2)]
        if c % 2 == 0 and r.random() < 0.4:
            groups = 2
        oc, depthwise = groups * int(r.integers(1, 20)), r.random() < 0.25
        if depthwise:
            groups, oc = c, c
        stride, dilation, pad = ([int(v) for v in r.integers(*lim, 2)] for lim in ((1, 4), (1, 3), (0, 4)))
        x, w, b = r.standard_normal((1, c, 13, 11)).astype(F), r.standard_normal((oc, c // groups, *k)).astype(F), r.standard_normal(oc).astype(F)
        g = Graph()
        attrs = {"stride": stride, "dilation": dilation, "pad": pad + pad, **({} if depthwise else {"groups": groups})}
        g.node("depthwise_conv2d" if depthwise else "conv2d", [g.input(x), g.constant(w), g.constant(b)], attrs)
        f.check("depthwise_conv2d" if depthwise else "conv2d", g, tf.conv2d(t(x), t(w), t(b), stride, pad, dilation, groups), 5e-6)


def pools(f, r):
    for _ in range(30):
        k = [int(v) for v in r.integers(1, 5, 2)]
        stride = [int(v) for v in r.integers(1, 4, 2)]
        pad = [int(r.integers(0, v // 2 + 1)) for v in k]
        ceil, include = bool(r.integers(2)), bool(r.integers(2))
        x = r.standard_normal((1, 3, 12, 13)).astype(F)
        common = {"kernel": k, "stride": stride, "pad": pad + pad, **({"ceil_mode": True} if ceil else {})}
        g = Graph()
        g.node("avg_pool2d", [g.input(x)], {**common, **({"count_include_pad": True} if include else {})})
        f.check("avg_pool2d", g, tf.avg_pool2d(t(x), k, stride, pad, ceil, include))
        dilation = [int(v) for v in r.integers(1, 3, 2)]
        g = Graph()
        g.node("max_pool2d", [g.input(x)], {**common, "dilation": dilation})
        f.check("max_pool2d", g, tf.max_pool2d(t(x), k, stride, pad, dilation, ceil), 0)
    g = Graph()
    g.node("global_avg_pool", [g.input(x)])
    f.check("global_avg_pool", g, tf.adaptive_avg_pool2d(t(x), 1))


def elementwise(f, r):
    x = (r.standard_normal((1, 4, 9, 31)) * 4).astype(F)
    for op, attrs, theirs in (("relu", {}, torch.relu), ("relu6", {}, tf.relu6), ("clip", {"min": -1.0, "max": 2.5}, lambda v: torch.clamp(v, -1, 2.5)),
                              ("leaky_relu", {"alpha": 0.2}, lambda v: tf.leaky_relu(v, 0.2)), ("sigmoid", {}, torch.sigmoid), ("tanh", {}, torch.tanh),
                              ("hard_swish", {}, tf.hardswish)):
        g = Graph()
        g.node(op, [g.input(x)], attrs)
        f.check(op, g, theirs(t(x)), 3e-7)
    for shape in ((4, 9, 31), (4, 1, 1), (31,), (1, 1, 9, 1), (1, 4, 9, 31)):
        y = r.standard_normal(shape).astype(F)
        for op, theirs in (("add", torch.add), ("sub", torch.sub), ("mul", torch.mul)):
            g = Graph()
            a, b = g.input(x), g.constant(y)
            g.node(op, [b, a])
            f.check(op, g, theirs(t(y), t(x)), 0)
    for axis in (0, 1, 2, 3):
        g = Graph()
        g.node("softmax", [g.input(x)], {"axis": axis})
        f.check("softmax", g, torch.softmax(t(x), axis), 5e-7)
    p = [r.uniform(0.5, 2, 4).astype(F) for _ in range(4)]
    g = Graph()
    g.node("batch_norm", [g.input(x)] + [g.constant(v) for v in p], {"eps": 1e-3})
    f.check("batch_norm", g, tf.batch_norm(t(x), t(p[2]), t(p[3]), t(p[0]), t(p[1]), False, 0, 1e-3))


def moves(f, r):
    x = r.standard_normal((1, 4, 5, 6)).astype(F)
    for perm in ([0, 2, 3, 1], [3, 1, 0, 2], [1, 0, 3, 2]):
        g = Graph()
        g.node("transpose", [g.input(x)], {"perm": perm})
        f.check("transpose", g, t(x).permute(*perm), 0)
    g = Graph()
    g.node("pad", [g.input(x)], {"pads": [0, 1, 2, 0, 0, 3, 0, 1], "value": -1.5})
    f.check("pad", g, tf.pad(t(x), (0, 1, 2, 0, 1, 3), value=-1.5), 0)
    g = Graph()
    g.node("slice", [g.input(x)], {"starts": [1, -5], "ends": [1000, -1], "axes": [1, 3], "steps": [2, 3]})
    f.check("slice", g, t(x)[:, 1::2, :, -5:-1:3], 0)
    g = Graph()
    i = g.input(x)
    g.node("concat", [i, i, i], {"axis": 2})
    f.check("concat", g, torch.cat([t(x)] * 3, 2), 0)
    g = Graph()
    g.node("flatten", [g.input(x)], {"axis": 2})
    f.check("flatten", g, t(x).reshape(4, 30), 0)
    for shape in ((1, 7, 20), (1, 20)):
        x, w, b = r.standard_normal(shape).astype(F), r.standard_normal((9, 20)).astype(F), r.standard_normal(9).astype(F)
        g = Graph()
        g.node("linear", [g.input(x), g.constant(w), g.constant(b)])
        f.check("linear", g, tf.linear(t(x), t(w), t(b)))


def main():
    args = arguments(__doc__)
    f = Floats(Report(args.intaglio, args.names))
    for i, group in enumerate((convs, pools, elementwise, moves)):
        group(f, np.random.default_rng(args.seed * 100 + i))
    print(f"{'operator':20} {'cases':>6} {'values':>9} {'largest error':>14}")
    for name, (cases, values, error) in f.rows.items():
        print(f"{name:20} {cases:6} {values:9} {error:14.3g}")
    return 1 if f.failed else 0


if __name__ == "__main__":
    sys.exit(main())
