"""The formulas of docs/numerics.md in NumPy, written from that page alone: what the graph interpreter is checked against.

A value is an ndarray (float32, uint8, int8, int32) and, when quantized, a Q. Shapes are logical (NCHW)."""
import math
from dataclasses import dataclass

import numpy as np

F = np.float32
D = np.float64


@dataclass
class Q:
    """Parameters of a quantized tensor; scale is a float32, or an array of one for each channel of axis 0 (weights)."""
    dtype: str
    scale: object
    zero: int = 0
    qmin: int = None
    qmax: int = None

    def __post_init__(self):
        if self.qmin is None:
            self.qmin = 0 if self.dtype == "u8" else -128
        if self.qmax is None:
            self.qmax = 255 if self.dtype == "u8" else 127
        self.scale = np.asarray(self.scale, F)

    @property
    def np(self):
        return np.uint8 if self.dtype == "u8" else np.int8


# ---- scalars ----

def fma(a, b, c):
    """One rounding: the product is exact in float64, the sum is rounded to odd there, then once to float32."""
    p, z = np.multiply(a, b, dtype=D), np.asarray(c, D)
    p, z = np.broadcast_arrays(p, z)
    with np.errstate(invalid="ignore", over="ignore"):
        s = p + z
        t = s - p
        e = (p - (s - t)) + (z - t)
        odd = np.isfinite(s) & (e != 0) & ((s.view(np.int64) & 1) == 0)
        s = np.where(odd, np.where((e > 0), np.nextafter(s, np.inf), np.nextafter(s, -np.inf)), s)
        return s.astype(F)


def fmin(a, b):
    return np.where(a < b, a, b).astype(F)


def fmax(a, b):
    return np.where(a > b, a, b).astype(F)


def rne(v):
    return np.rint(v).astype(np.int64)


def pack(v, q, lo=None, hi=None):
    lo, hi = q.qmin if lo is None else lo, q.qmax if hi is None else hi
    v = fmin(fmax(v, F(lo - q.zero)), F(hi - q.zero))
    return (rne(v) + q.zero).astype(q.np)


def quantize(x, q):
    v = np.asarray(x, F) / q.scale
    return pack(np.where(np.isnan(v), F(0), v), q)


def quantize_part(x, q, part):
    """A byte of the 16-bit integer whose step is the low byte's."""
    scale = q.scale / F(256) if part == "high" else q.scale
    v = np.asarray(x, F) / scale
    n = rne(fmin(fmax(np.where(np.isnan(v), F(0), v), F(-32768)), F(32767))).astype(np.int64)
    return ((n >> 8) + 128 if part == "high" else n & 255).astype(np.uint8)


def ints(x, q):
    return x.astype(np.int64) - q.zero


def dequantize(x, q):
    return ints(x, q).astype(F) * q.scale


def wrap32(a):
    return ((a + 2**31) % 2**32 - 2**31).astype(np.int64)


def activation(x, lo, hi):
    return fmin(F(hi), fmax(F(lo), x))


LOG2E, LN2_HI, LN2_LO = (np.array(b, np.uint32).view(F) for b in (0x3fb8aa3b, 0x3f318000, 0x395e8083))


def exp(x):
    x = np.asarray(x, F)
    c = fmax(fmin(x, F(89)), F(-104))
    n = rne(c * LOG2E)
    f = n.astype(F)
    r = fma(f, -LN2_HI, c)
    r = fma(f, LN2_LO, r)
    p = np.full_like(x, F(1.39087442e-3))
    for k in (8.37312452e-3, 4.16688285e-2, 1.66664571e-1, 4.99999911e-1, 1.0, 1.0):
        p = fma(p, r, F(k))
    h = n >> 1
    with np.errstate(over="ignore", under="ignore"):
        y = (p * np.ldexp(F(1), h).astype(F)) * np.ldexp(F(1), n - h).astype(F)
    return np.where(np.isnan(x), x, y).astype(F)


def sigmoid(x):
    with np.errstate(over="ignore"):
        return F(1) / (F(1) + exp(-x))


def tanh(x):
    a = np.abs(x)
    with np.errstate(over="ignore", invalid="ignore"):
        z = x * x
        p = np.full_like(x, F(-5.70498872745e-3))
        for k in (2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1):
            p = fma(p, z, F(k))
        small = fma(p * z, x, x)
        big = np.copysign(F(1) - F(2) / (exp(a + a) + F(1)), x)
    return np.where(a < F(0.625), small, big).astype(F)


def hard_swish(x):
    return x * (fmin(F(6), fmax(F(0), x + F(3))) / F(6))


def fixed_multiplier(real):
    if not real > 0:
        return 0, 0
    frac, e = math.frexp(real)
    q = int(math.floor(frac * 2**31 + 0.5))
    if q == 2**31:
        q, e = 2**30, e + 1
    if e < -31:
        return 0, 0
    return (2**31 - 1, 30) if e > 30 else (q, e)


def fixed(a, real):
    """TFLite's reference requantization of the integers a."""
    q, e = fixed_multiplier(real)
    h = (wrap32(a * 2**max(e, 0)) * q + 2**30) >> 31
    d = 2**max(-e, 0)
    quotient = np.abs(h) // d
    quotient = quotient + (2 * (np.abs(h) % d) >= d) if d > 1 else quotient
    return np.where(h < 0, -quotient, quotient)


# ---- geometry ----

def pair(v):
    return (v, v) if isinstance(v, int) else (v[0], v[-1])


def extent(n, before, after, k, s, d, ceil):
    room = n + before + after - d * (k - 1) - 1
    out = (-(-room // s) if ceil else room // s) + 1
    if ceil and (out - 1) * s >= n + before:
        out -= 1
    return out


def taps(x, attrs, kernel, fill, ceil=False):
    """Yields (ky, kx, values, inside) for each tap: the [N, C, OH, OW] values under it (`fill` outside) and which of them are inside."""
    sh, sw = pair(attrs.get("stride", 1))
    dh, dw = pair(attrs.get("dilation", 1))
    pt, pl, pb, pr = attrs.get("pad", [0, 0, 0, 0])
    _, _, ih, iw = x.shape
    oh, ow = extent(ih, pt, pb, kernel[0], sh, dh, ceil), extent(iw, pl, pr, kernel[1], sw, dw, ceil)
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            iy, ix = np.arange(oh) * sh - pt + ky * dh, np.arange(ow) * sw - pl + kx * dw
            inside = ((iy >= 0) & (iy < ih))[:, None] & ((ix >= 0) & (ix < iw))[None, :]
            v = x[:, :, np.clip(iy, 0, ih - 1)][:, :, :, np.clip(ix, 0, iw - 1)]
            yield ky, kx, np.where(inside, v, fill), inside


def counted(x, attrs, kernel, include_pad, ceil):
    """Taps that count in each average."""
    sh, sw = pair(attrs.get("stride", 1))
    pt, pl, pb, pr = attrs.get("pad", [0, 0, 0, 0])

    def axis(n, before, after, k, s):
        lo, hi = (-before, n + after) if include_pad else (0, n)
        first = np.arange(extent(n, before, after, k, s, 1, ceil)) * s - before
        return np.minimum(first + k, hi) - np.maximum(first, lo)

    return axis(x.shape[2], pt, pb, kernel[0], sh)[:, None] * axis(x.shape[3], pl, pr, kernel[1], sw)[None, :]


# ---- operators: x, ... are (array, Q or None); attrs a dict; qy the result's Q or None ----

def bounds(op, attrs):
    lo = attrs.get("min", 0.0 if op in ("relu", "relu6") else -math.inf)
    hi = attrs.get("max", 6.0 if op == "relu6" else math.inf)
    return lo, hi


def accumulate(op, attrs, x, w, start, step):
    """Runs the chain acc = step(x, w, acc) over (ky, kx, input channel) for all outputs at once."""
    if op.startswith("linear"):
        acc = np.broadcast_to(start, x.shape[:-1] + (w.shape[0],)).copy()
        for k in range(w.shape[1]):
            acc = step(x[..., k:k + 1], w[:, k], acc)
        return acc
    depthwise = op.startswith("depthwise")
    groups = x.shape[1] if depthwise else attrs.get("groups", 1)
    oc, icg = w.shape[0], w.shape[1]
    group = np.arange(oc) // (oc // groups)
    acc = None
    for ky, kx, v, _ in taps(x, attrs, w.shape[2:], x.dtype.type(0)):
        if acc is None:
            acc = np.broadcast_to(start[None, :, None, None], (x.shape[0], oc) + v.shape[2:]).copy()
        for ic in range(icg):
            acc = step(v[:, group * icg + ic], w[:, ic, ky, kx][None, :, None, None], acc)
    return acc


def channels(op, v):
    return v if op.startswith("linear") else v[None, :, None, None]


def compute_float(op, attrs, ins):
    x, w = ins[0][0], ins[1][0]
    start = ins[2][0] if len(ins) > 2 else np.zeros(w.shape[0], F)
    acc = accumulate(op, attrs, x, w, start, lambda a, b, c: fma(a, b, c))
    if op.endswith("_add"):
        acc = acc + ins[3][0]
    return activation(acc, *bounds(op, attrs))


def compute_int(op, attrs, ins, qy):
    (x, qx), (w, qw) = ins[0], ins[1]
    oc = w.shape[0]
    s_w = np.broadcast_to(qw.scale, (oc,)).astype(F)
    float_bias = attrs.get("bias_mode") == "float32"
    start = np.zeros(oc, np.int64)
    if len(ins) > 2 and not float_bias:
        start = ins[2][0].astype(np.int64)
    a = wrap32(accumulate(op, attrs, ints(x, qx), w.astype(np.int64), start, lambda p, q, c: c + p * q))
    lo, hi = bounds(op, attrs)
    if qy is None:
        m = qx.scale * s_w
    else:
        m = (qx.scale * s_w) / qy.scale
        qlo, qhi = int(quantize(F(lo), qy)), int(quantize(F(hi), qy))
    if qy is not None and attrs.get("requantize") == "fixed":
        real = [float(D(qx.scale) * D(s) / D(qy.scale)) for s in s_w]
        axis = a.ndim - 1 if op.startswith("linear") else 1
        v = np.stack([fixed(np.take(a, c, axis), real[c]) for c in range(oc)], axis)
        if op.endswith("_add"):
            v = v + fixed(ints(*ins[3]), float(D(ins[3][1].scale) / D(qy.scale)))
        return np.clip(v + qy.zero, qlo, qhi).astype(qy.np)
    v = a.astype(F)
    if float_bias and len(ins) > 2:
        v = v + channels(op, ins[2][0] / (qx.scale * s_w))
    v = v * channels(op, m)
    if op.endswith("_add"):
        r, qr = ins[3]
        if qr is None:
            v = v + r
        else:
            v = v + ints(r, qr).astype(F) * (qr.scale / qy.scale if qy is not None else qr.scale)
    return activation(v, lo, hi) if qy is None else pack(v, qy, qlo, qhi)


def dynamic_params(x, levels):
    """Scale and zero point of a tensor that is quantized at run time to 0 .. levels."""
    v = np.where(np.isfinite(x), x, F(0)).astype(F)
    lo, hi = min(F(0), v.min(initial=F(0))), max(F(0), v.max(initial=F(0)))
    s = min(F(hi - lo), np.finfo(F).max) / F(levels)
    s = s if s > 0 else F(1)
    return Q("u8", s, int(rne(min(max(F(0) - lo / s, F(0)), F(levels)))), 0, levels)


def compute_dynamic(op, attrs, ins):
    x, (w, qw) = ins[0][0], ins[1]
    oc = w.shape[0]
    q = dynamic_params(x, attrs["dynamic"])
    a = wrap32(accumulate(op, attrs, ints(quantize(x, q), q), w.astype(np.int64), np.zeros(oc, np.int64), lambda p, k, c: c + p * k))
    v = a.astype(F) * channels(op, q.scale * np.broadcast_to(qw.scale, (oc,)).astype(F))
    if len(ins) > 2:
        v = v + channels(op, ins[2][0])
    if op.endswith("_add"):
        v = v + ins[3][0]
    return activation(v, *bounds(op, attrs))


def binary(op, attrs, ins, qy):
    (a, qa), (b, qb) = ins
    lo, hi = bounds(op, attrs)
    if qy is None:
        v = a + b if op == "add" else a - b if op == "sub" else a * b
        return activation(v.astype(F), lo, hi)
    ia, ib = ints(a, qa), ints(b, qb)
    if op == "mul":
        v = (ia * ib).astype(F) * ((qa.scale * qb.scale) / qy.scale)
    else:
        l, r = ia.astype(F) * (qa.scale / qy.scale), ib.astype(F) * (qb.scale / qy.scale)
        v = l + r if op == "add" else l - r
    return pack(v, qy, int(quantize(F(lo), qy)), int(quantize(F(hi), qy)))


def unary_double(op, attrs, x):
    if op in ("relu", "relu6", "clip"):
        lo, hi = bounds(op, attrs)
        return np.minimum(hi, np.maximum(lo, x))
    if op == "leaky_relu":
        return np.where(x > 0, x, x * D(F(attrs.get("alpha", 0.01))))
    if op == "sigmoid":
        return 1 / (1 + np.exp(-x))
    if op == "tanh":
        return np.tanh(x)
    return x * (np.minimum(6, np.maximum(0, x + 3)) / 6)


def unary(op, attrs, ins, qy):
    x, qx = ins[0]
    if qy is not None:
        return quantize(unary_double(op, attrs, dequantize(x, qx).astype(D)).astype(F), qy)
    if op in ("relu", "relu6", "clip"):
        return activation(x, *bounds(op, attrs))
    if op == "leaky_relu":
        return np.where(x > 0, x, x * F(attrs.get("alpha", 0.01))).astype(F)
    return {"sigmoid": sigmoid, "tanh": tanh, "hard_swish": hard_swish}[op](x)


def average(op, attrs, ins, qy):
    x, qx = ins[0]
    kernel = x.shape[2:] if op == "global_avg_pool" else pair(attrs["kernel"])
    ceil = bool(attrs.get("ceil_mode", False))
    n = counted(x, attrs, kernel, bool(attrs.get("count_include_pad", False)), ceil)
    v = x if qx is None else ints(x, qx)
    total = None
    for _, _, t, _ in taps(v, attrs, kernel, v.dtype.type(0), ceil):
        total = t + (v.dtype.type(0) if total is None else total)
    if qx is None:
        return total / n.astype(F)
    return pack(total.astype(F) * (qx.scale / (qy.scale * n.astype(F))), qy)


def max_pool(attrs, x):
    m = None
    lowest = -math.inf if x.dtype == F else np.iinfo(x.dtype).min
    seen = None
    for _, _, t, inside in taps(x, attrs, pair(attrs["kernel"]), x.dtype.type(lowest), bool(attrs.get("ceil_mode", False))):
        if m is None:
            m, seen = np.array(t), np.broadcast_to(inside, t.shape)
            continue
        inside = np.broadcast_to(inside, t.shape)
        m = np.where(inside & (~seen | (t > m)), t, m)
        seen = seen | inside
    return m


def softmax(attrs, ins, qy):
    x, qx = ins[0]
    axis = attrs.get("axis", -1)
    x = np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    lines = x.reshape(-1, n)
    if qx is not None:
        t = np.exp(-np.arange(256) * D(qx.scale)).astype(F)
        i = lines.astype(np.int64)
        e = t[i.max(1, keepdims=True) - i]
    else:
        m = tree(partials(lines, -math.inf, lambda v, p: fmax(v, p)), fmax)
        with np.errstate(invalid="ignore"):
            e = exp(lines - m[:, None])
    total = tree(partials(e, 0, lambda v, p: p + v), lambda a, b: a + b)
    v = np.moveaxis((e / total[:, None]).reshape(x.shape), -1, axis)
    return v if qy is None else quantize(v, qy)


def partials(lines, start, step):
    p = np.full((lines.shape[0], 16), start, F)
    for i in range(lines.shape[1]):
        p[:, i % 16] = step(lines[:, i], p[:, i % 16])
    return p


def tree(p, join):
    for w in (8, 4, 2, 1):
        p = join(p[:, :w], p[:, w:2 * w])
    return p[:, 0]


def normalize(attrs, ins, qy):
    x = ins[0][0]
    c = x.shape[1] if x.ndim >= 2 else 1
    shape = (1, c) + (1,) * (x.ndim - 2) if x.ndim >= 2 else (1,)
    mean = np.broadcast_to(np.asarray(attrs.get("mean", [0.0])), (c,)).astype(F).reshape(shape)
    std = np.broadcast_to(np.asarray(attrs.get("std", [1.0])), (c,)).astype(F).reshape(shape)
    v = (x.astype(F) / F(attrs.get("scale", 1.0)) - mean) / std
    return v if qy is None else quantize(v, qy)


def batch_norm(attrs, ins):
    x, gamma, beta, mean, var = (i[0] for i in ins)
    a = gamma.astype(D) / np.sqrt(var.astype(D) + attrs.get("eps", 1e-5))
    b = beta.astype(D) - mean.astype(D) * a
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return fma(x, a.astype(F).reshape(shape), b.astype(F).reshape(shape))


def pad(attrs, ins, qy):
    x = ins[0][0]
    value = attrs.get("value", 0.0)
    p = attrs["pads"]
    if qy is not None:
        value = quantize(F(value), qy)
    elif x.dtype != F:
        value = np.clip(np.rint(F(value)), np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    width = [(p[i], p[i + x.ndim]) for i in range(x.ndim)]
    return np.pad(x, width, constant_values=np.asarray(value).astype(x.dtype))


def slice_(attrs, x):
    index = [slice(None)] * x.ndim
    axes = attrs.get("axes", range(len(attrs["starts"])))
    steps = attrs.get("steps", [1] * len(attrs["starts"]))
    for s, e, a, t in zip(attrs["starts"], attrs["ends"], axes, steps):
        index[a] = slice(s, e, t)
    return x[tuple(index)]


def flatten(attrs, x):
    axis = attrs.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def concat(attrs, ins, qy):
    parts = []
    for x, q in ins:
        same = q is None or (q.dtype == qy.dtype and q.scale == qy.scale and q.zero == qy.zero and (q.qmin, q.qmax) == (qy.qmin, qy.qmax))
        parts.append(x if same else quantize(dequantize(x, q), qy))
    return np.concatenate(parts, attrs.get("axis", 1))


COMPUTE = {"conv2d", "depthwise_conv2d", "linear", "conv2d_add", "depthwise_conv2d_add", "linear_add"}
UNARY = {"relu", "relu6", "clip", "leaky_relu", "sigmoid", "tanh", "hard_swish"}


def evaluate(op, attrs, ins, qy):
    """The result of one node: ins is a list of (array, Q or None)."""
    x, qx = ins[0]
    with np.errstate(over="ignore", invalid="ignore"):
        if op in COMPUTE and "dynamic" in attrs:
            return compute_dynamic(op, attrs, ins)
        if op in COMPUTE:
            return compute_float(op, attrs, ins) if qx is None else compute_int(op, attrs, ins, qy)
        if op in UNARY:
            return unary(op, attrs, ins, qy)
        if op in ("add", "sub", "mul"):
            return binary(op, attrs, ins, qy)
        if op in ("avg_pool2d", "global_avg_pool"):
            return average(op, attrs, ins, qy)
        simple = {
            "concat": lambda: concat(attrs, ins, qy), "max_pool2d": lambda: max_pool(attrs, x), "softmax": lambda: softmax(attrs, ins, qy),
            "normalize": lambda: normalize(attrs, ins, qy), "batch_norm": lambda: batch_norm(attrs, ins), "pad": lambda: pad(attrs, ins, qy),
            "slice": lambda: slice_(attrs, x), "flatten": lambda: flatten(attrs, x), "reshape": lambda: x.reshape(attrs["shape"]),
            "transpose": lambda: x.transpose(attrs.get("perm")), "quantize": lambda: quantize_part(x, qy, attrs["part"]) if "part" in attrs else quantize(x, qy), "dequantize": lambda: dequantize(x, qx),
            "requantize": lambda: quantize(dequantize(x, qx), qy), "observe": lambda: x,
        }
        return simple[op]()
