"""Shared by the comparisons with other systems: data on three kinds of scales, our side through the reference engine, the count of differing bytes."""
import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))

import numpy as np  # noqa: E402

import numerics  # noqa: E402
from graphs import Graph, same  # noqa: E402
from numerics import F, Q  # noqa: E402

KINDS = ("random", "equal", "pow2")


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--intaglio", required=True, type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*", help="only these comparisons")
    return parser.parse_args()


class Scales:
    """Scales and zero points of one kind."""

    def __init__(self, kind, r):
        self.kind, self.r = kind, r

    def near(self, s, like=None):
        """A scale near s: random, the same as `like`, or the power of two above."""
        if self.kind == "equal" and like is not None:
            return F(like)
        if self.kind == "pow2":
            return F(2.0 ** np.ceil(np.log2(s)))
        return F(s * self.r.uniform(0.9, 1.1))

    def zero(self, lo=0, hi=255):
        return int(self.r.integers(lo, hi + 1))

    def activation(self, s=0.02, dtype="u8", like=None):
        lo, hi = (0, 255) if dtype == "u8" else (-128, 127)
        return Q(dtype, self.near(s, like), int(self.r.integers(lo + 60, hi - 60)))


class Report:
    """Rows of (peer, operator, kind): values compared, values differing from ours, and from the peer's own formula. `must` names what has to be 0."""

    def __init__(self, intaglio, names):
        self.intaglio, self.names, self.rows, self.failed = intaglio, names, {}, False
        self.temp = tempfile.TemporaryDirectory()
        self.n = 0

    def wanted(self, name):
        return not self.names or any(w in name for w in self.names)

    def ours(self, g):
        """The last node's result for the graph's own input."""
        self.n += 1
        got = g.run(self.intaglio, str(pathlib.Path(self.temp.name) / str(self.n)), [[g.value[n][0] for n, _ in g.inputs]])
        return got[g.nodes[-1][0]][0]

    def add(self, peer, op, kind, theirs, ours, formula=None, allow=0):
        """Ours must equal theirs, except that with a formula of the peer's, that one must, and the difference from ours is only counted."""
        theirs = np.ascontiguousarray(theirs)
        differ = int((~same(np.ascontiguousarray(ours), theirs)).sum())
        off = None if formula is None else int((~same(np.ascontiguousarray(formula), theirs)).sum())
        row = self.rows.setdefault((peer, op, kind), [0, 0, None, 0])
        row[0] += theirs.size
        row[1] += differ
        if off is not None:
            row[2] = (row[2] or 0) + off
        row[3] = allow

    def finish(self):
        print(f"{'peer':16} {'operator':34} {'scales':7} {'values':>9} {'differ from ours':>17} {'from its formula':>17}")
        for (peer, op, kind), (n, differ, off, allow) in self.rows.items():
            bad = off is not None and off > 0 or off is None and differ > allow
            self.failed |= bad
            note = "  FAIL" if bad else f"  (up to {allow} allowed)" if allow and off is None else ""
            print(f"{peer:16} {op:34} {kind:7} {n:9} {differ:17} {'-' if off is None else off:>17}{note}")
        if not self.rows:
            print("nothing compared")
            return 1
        return 1 if self.failed else 0


def conv_case(r, scales, shape, weight_shape, attrs, dtype="u8", per_channel=True, high=255, linear=False, float_bias=False, qmax=None):
    """Random int8 convolution or linear: (x, qx, w, qw, float bias, int bias, qy)."""
    lo = 0 if dtype == "u8" else -128
    x = r.integers(lo, lo + high + 1, shape).astype(np.uint8 if dtype == "u8" else np.int8)
    w = np.clip(np.rint(r.standard_normal(weight_shape) * 40), -128, 127).astype(np.int8)
    oc, fan = weight_shape[0], int(np.prod(weight_shape[1:]))
    qx = scales.activation(0.02, dtype)
    if high < 255:
        qx.zero = int(r.integers(20, 100))
    s_w = np.asarray([scales.near(0.003 * r.uniform(0.5, 2)) for _ in range(oc)], F) if per_channel else scales.near(0.003)
    b = (r.standard_normal(oc) * float(qx.scale) * 0.003 * 3000).astype(F)
    b_q = np.rint(b.astype(np.float64) / (np.float64(qx.scale) * np.asarray(s_w, np.float64))).astype(np.int32)
    spread = np.sqrt(fan) * 40 * 74 * float(qx.scale) * 0.003
    s_y = qx.scale if scales.kind == "equal" else scales.near(spread * 5 / 255)
    if scales.kind == "equal":  # keep the results in range with smaller weights
        factor = F(float(qx.scale) * 255 / 5 / spread)
        s_w = np.asarray(s_w * factor, F)
        b_q = np.rint(b_q * r.uniform(0.5, 1, oc)).astype(np.int32)
        b = (b_q * np.float64(qx.scale) * s_w).astype(F)
    qy = Q(dtype, s_y, scales.zero(90, 160) + (0 if dtype == "u8" else -128))
    return x, qx, w, Q("s8", s_w), b, b_q, qy
