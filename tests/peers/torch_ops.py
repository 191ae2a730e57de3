#!/usr/bin/env python3
"""Our quantized operators against PyTorch's, bit for bit: qnnpack and fbgemm layers, tables; and the operators whose norm is another (quantize, add, mul,
average pool) against PyTorch's own formula, with the count of bytes that differ from ours."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import env  # noqa: E402

env.need("numpy", "torch")
import warnings  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from common import KINDS, F, Graph, Q, Report, Scales, arguments, conv_case, numerics  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


def quantized(x, q):
    """A torch tensor with these bytes (u8)."""
    return torch._make_per_tensor_quantized_tensor(torch.from_numpy(np.ascontiguousarray(x)), float(q.scale), q.zero)


def weight(w, q):
    t = torch.from_numpy(np.ascontiguousarray(w))
    if q.scale.ndim == 0:
        return torch._make_per_tensor_quantized_tensor(t, float(q.scale), 0)
    return torch._make_per_channel_quantized_tensor(t, torch.from_numpy(q.scale.astype(np.float64)), torch.zeros(len(q.scale), dtype=torch.long), 0)


CONVS = [((1, 16, 14, 14), (32, 16, 1, 1), {}), ((1, 8, 12, 13), (24, 8, 3, 3), {"pad": [1, 1, 1, 1]}), ((1, 5, 11, 9), (8, 5, 3, 3), {"stride": [2, 2]}),
         ((1, 12, 9, 9), (8, 6, 3, 3), {"groups": 2, "pad": [1, 1, 1, 1]}), ((1, 24, 13, 13), (24, 1, 3, 3), {"depthwise": True, "pad": [1, 1, 1, 1]}),
         ((1, 64, 7, 7), (48, 64, 3, 3), {"pad": [1, 1, 1, 1]})]


def layers(report, r, engine):
    """qnnpack: int32 bias; fbgemm: float32 bias, activations of 7 bits (its 16-bit sums saturate otherwise on CPUs without VNNI)."""
    float_bias = engine == "fbgemm"
    torch.backends.quantized.engine = engine
    for kind in KINDS:
        for relu in (False, True):
            for shape, wshape, spec in CONVS:
                attrs = {k: v for k, v in spec.items() if k != "depthwise"}
                op = "depthwise_conv2d" if spec.get("depthwise") else "conv2d"
                x, qx, w, qw, b, b_q, qy = conv_case(r, Scales(kind, r), shape, wshape, attrs, high=127 if float_bias else 255)
                groups = shape[1] if op != "conv2d" else attrs.get("groups", 1)
                packed = torch.ops.quantized.conv2d_prepack(weight(w, qw), torch.from_numpy(b), attrs.get("stride", [1, 1]), attrs.get("pad", [0, 0])[:2], [1, 1], groups)
                run = torch.ops.quantized.conv2d_relu if relu else torch.ops.quantized.conv2d
                theirs = run(quantized(x, qx), packed, float(qy.scale), qy.zero).int_repr().numpy()
                g = Graph()
                ours_attrs = {**attrs, **({"min": 0.0} if relu else {}), **({"bias_mode": "float32"} if float_bias else {})}
                g.node(op, [g.input(x, qx), g.constant(w, qw), g.constant(b if float_bias else b_q)], ours_attrs, qy)
                report.add(f"torch {engine}", op + (" relu" if relu else ""), kind, theirs, report.ours(g))
            for n, k, oc in ((1, 64, 512), (1, 640, 128), (1, 17, 301)):
                x, qx, w, qw, b, b_q, qy = conv_case(r, Scales(kind, r), (n, k), (oc, k), {}, per_channel=float_bias, high=127 if float_bias else 255)
                packed = torch.ops.quantized.linear_prepack(weight(w, qw), torch.from_numpy(b))
                run = torch.ops.quantized.linear_relu if relu else torch.ops.quantized.linear
                theirs = run(quantized(x, qx), packed, float(qy.scale), qy.zero).int_repr().numpy()
                g = Graph()
                ours_attrs = {**({"min": 0.0} if relu else {}), **({"bias_mode": "float32"} if float_bias else {})}
                g.node("linear", [g.input(x, qx), g.constant(w, qw), g.constant(b if float_bias else b_q)], ours_attrs, qy)
                report.add(f"torch {engine}", "linear" + (" relu" if relu else ""), kind, theirs, report.ours(g))


def qnnpack(report, r):
    layers(report, r, "qnnpack")


def fbgemm(report, r):
    layers(report, r, "fbgemm")


def torch_quantize(x, q):
    """By the reciprocal, in one fused multiply-add with the zero point."""
    return np.clip(np.rint(numerics.fma(x, F(1) / q.scale, F(q.zero))), 0, 255).astype(np.uint8)


def tables(report, r):
    torch.backends.quantized.engine = "fbgemm"
    x = np.arange(256, dtype=np.uint8).reshape(1, 256)
    for kind in KINDS:
        for _ in range(20):
            sc = Scales(kind, r)
            qx = sc.activation(0.04)
            qy = sc.activation(0.04, "u8", qx.scale)
            t = quantized(x, qx)
            for name, op, attrs, q, theirs in (
                    ("sigmoid", "sigmoid", {}, Q("u8", F(1 / 256), 0), torch.sigmoid(t)),
                    ("tanh", "tanh", {}, Q("u8", F(2 / 256), 128), torch.tanh(t)),
                    ("hardswish", "hard_swish", {}, qy, torch.ops.quantized.hardswish(t, float(qy.scale), qy.zero)),
                    ("leaky_relu", "leaky_relu", {"alpha": 0.1}, qy, torch.ops.quantized.leaky_relu(t, 0.1, False, float(qy.scale), qy.zero))):
                g = Graph()
                g.node(op, [g.input(x, qx)], attrs, q)
                formula = None
                if op == "leaky_relu":  # no table: vectors that multiply by the reciprocal; ties differ where the scales are equal
                    v = numerics.fma(x.astype(F), qx.scale, -F(qx.zero) * qx.scale)
                    v = np.maximum(v, F(0)) + np.minimum(v, F(0)) * F(0.1)
                    formula = np.clip(np.rint(v * (F(1) / q.scale)) + q.zero, 0, 255).astype(np.uint8)
                report.add("torch fbgemm", name, kind, theirs.int_repr().numpy(), report.ours(g), formula)


def conversions(report, r):
    for kind in KINDS:
        for _ in range(3):
            q = Scales(kind, r).activation(0.02)
            x = np.concatenate([r.standard_normal(20000) * 2, (r.integers(-300, 300, 20000) + 0.5) * np.float64(q.scale)]).astype(F)[None]
            theirs = torch.quantize_per_tensor(torch.from_numpy(x), float(q.scale), q.zero, torch.quint8)
            formula = torch_quantize(x, q)
            g = Graph()
            g.node("quantize", [g.input(x)], {}, q)
            report.add("torch", "quantize_per_tensor", kind, theirs.int_repr().numpy(), report.ours(g), formula)
            g = Graph()
            b = np.arange(256, dtype=np.uint8)[None]
            g.node("dequantize", [g.input(b, q)])
            report.add("torch", "dequantize", kind, quantized(b, q).dequantize().numpy(), report.ours(g))


def add_formula(a, qa, b, qb, qy):
    def term(x, q):
        return numerics.fma(x.astype(F), q.scale, -F(q.zero) * q.scale)

    v = (term(a, qa) + term(b, qb)) * (F(1) / qy.scale)
    return np.clip(np.rint(v) + qy.zero, 0, 255).astype(np.uint8)


def mul_formula(a, qa, b, qb, qy):
    v = (numerics.ints(a, qa) * numerics.ints(b, qb)).astype(F) * ((qa.scale * qb.scale) * (F(1) / qy.scale))
    return np.clip(np.rint(v) + qy.zero, 0, 255).astype(np.uint8)


def binaries(report, r):
    """Sizes that are multiples of 64: the tail of add has another formula."""
    torch.backends.quantized.engine = "fbgemm"
    vectors = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    for op, run, formula in (("add", torch.ops.quantized.add, add_formula), ("mul", torch.ops.quantized.mul, mul_formula)):
        for kind in KINDS:
            for _ in range(6):
                sc = Scales(kind, r)
                qa = sc.activation(0.02)
                qb = sc.activation(0.03, "u8", qa.scale)
                qy = sc.activation(0.05, "u8", qa.scale) if op == "add" else sc.activation(0.05)
                a, b = (r.integers(0, 256, (1, 32, 32, 16)).astype(np.uint8) for _ in range(2))
                theirs = run(quantized(a, qa), quantized(b, qb), float(qy.scale), qy.zero).int_repr().numpy()
                g = Graph()
                g.node(op, [g.input(a, qa), g.input(b, qb)], {}, qy)
                if vectors:
                    report.add("torch fbgemm", op, kind, theirs, report.ours(g), formula(a, qa, b, qb, qy))


def average_pools(report, r):
    """avg_pool2d on channels_last memory: the factor is 1 / n, the result keeps the parameters."""
    torch.backends.quantized.engine = "fbgemm"
    for kind in KINDS:
        for shape, k, s, p, include in (((1, 64, 12, 12), 2, 2, 0, True), ((1, 64, 13, 11), 3, 1, 1, True), ((1, 128, 13, 11), 3, 2, 1, False)):
            q = Scales(kind, r).activation(0.03)
            x = r.integers(0, 256, shape).astype(np.uint8)
            t = quantized(x, q).contiguous(memory_format=torch.channels_last)
            theirs = torch.nn.functional.avg_pool2d(t, k, s, p, False, include).int_repr().numpy()
            attrs = {"kernel": [k, k], "stride": [s, s], "pad": [p, p, p, p], "count_include_pad": include}
            v, total = numerics.ints(x, q), 0
            for _, _, tap, _ in numerics.taps(v, attrs, (k, k), 0):
                total = total + tap
            n = numerics.counted(x, attrs, (k, k), include, False).astype(F)
            formula = np.clip(np.rint(total.astype(F) * (F(1) / n)) + q.zero, 0, 255).astype(np.uint8)
            g = Graph()
            g.node("avg_pool2d", [g.input(x, q)], attrs, q)
            report.add("torch fbgemm", "avg_pool2d channels_last", kind, theirs, report.ours(g), formula)


def torch_params(x, levels):
    """ChooseQuantizationParams: in double; a scale below 6.1e-5 is raised to it, the range with it; the zero point from the end with the smaller error."""
    lo, hi = float(min(F(0), x.min())), float(max(F(0), x.max()))
    s, least = (hi - lo) / levels, float(F(6.1e-5))
    if F(s) == 0 or np.isinf(F(1) / F(s)):
        s = 0.1
    if s < least:
        by = float(F(F(least) / F(s)))
        lo, hi = (0, least * levels) if lo == 0 else (-least * levels, 0) if hi == 0 else (float(F(lo) * F(by)), float(F(hi) * F(by)))
        s = least
    z = -lo / s if -abs(lo / s) < levels - abs(hi / s) else levels - hi / s
    return Q("u8", F(s), int(np.rint(min(max(z, 0), levels))))


def dynamic_formula(x, w, qw, b, levels, fused):
    q = torch_params(x, levels)
    a = (torch_quantize(x, q).astype(np.int64) - q.zero) @ w.T.astype(np.int64)
    m = q.scale * qw.scale
    return numerics.fma(a.astype(F), m, b) if fused else a.astype(F) * m + b


def dynamic_layers(report, r):
    """nn.quantized.dynamic.Linear of fbgemm (with and without its reduce_range) and qnnpack."""
    for engine, reduce in (("fbgemm", True), ("fbgemm", False), ("qnnpack", False)):
        if engine not in torch.backends.quantized.supported_engines:
            continue
        torch.backends.quantized.engine = engine
        for kind in ("random", "small"):
            for n, k, oc in ((4, 64, 512), (1, 640, 128), (7, 17, 301)) * 8:
                x = (r.standard_normal((n, k)) * 10.0 ** (r.uniform(-1, 3) if kind == "random" else r.uniform(-5, -2)) + r.uniform(-1, 1) * (kind == "random")).astype(F)
                w = (r.standard_normal((oc, k)) * 0.1).astype(F)
                b = (r.standard_normal(oc) * 0.1).astype(F)
                layer = torch.nn.Sequential(torch.nn.Linear(k, oc))
                layer[0].weight.data, layer[0].bias.data = torch.from_numpy(w), torch.from_numpy(b)
                packed = torch.ao.quantization.quantize_dynamic(layer, {torch.nn.Linear}, torch.qint8)[0]
                q = packed.weight()
                w_q, qw = q.int_repr().numpy(), Q("s8", F(q.q_scale()))
                theirs = torch.ops.quantized.linear_dynamic(torch.from_numpy(x), packed._packed_params._packed_params, reduce).numpy()
                if reduce and not np.array_equal(theirs, packed(torch.from_numpy(x)).numpy()):
                    sys.exit("nn.quantized.dynamic.Linear is another operator")
                levels = 127 if reduce else 255
                g = Graph()
                g.node("linear", [g.input(x[None]), g.constant(w_q, qw), g.constant(b)], {"dynamic": levels})
                report.add(f"torch {engine}", "dynamic linear" + (" reduce_range" if reduce else ""), kind, theirs[None], report.ours(g),
                           dynamic_formula(x, w_q, qw, b, levels, engine == "fbgemm")[None])


def half_layers(report, r):
    """float16_dynamic: weights of float16, all else float32, so equal to a float layer with rounded weights but for the order of its sums."""
    torch.backends.quantized.engine = "fbgemm"
    far = 0
    for n, k, oc in ((4, 64, 512), (7, 17, 301)) * 4:
        x, w, b = r.standard_normal((n, k)).astype(F), (r.standard_normal((oc, k)) * 0.1).astype(F), r.standard_normal(oc).astype(F)
        layer = torch.nn.Sequential(torch.nn.Linear(k, oc))
        layer[0].weight.data, layer[0].bias.data = torch.from_numpy(w), torch.from_numpy(b)
        theirs = torch.ao.quantization.quantize_dynamic(layer, {torch.nn.Linear: torch.ao.quantization.float16_dynamic_qconfig})(torch.from_numpy(x)).detach().numpy()
        g = Graph()
        g.node("linear", [g.input(x[None]), g.constant(w.astype(np.float16).astype(F)), g.constant(b)])
        far = max(far, float(np.abs(report.ours(g)[0] - theirs).max()))
    print(f"torch fbgemm, float16_dynamic linear: largest difference from our layer with the weights in float16 {far:.3g}")
    report.failed |= far > 1e-5


def main():
    args = arguments(__doc__)
    report = Report(args.intaglio, args.names)
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, engines {', '.join(torch.backends.quantized.supported_engines)}")
    for i, group in enumerate((qnnpack, fbgemm, tables, conversions, binaries, average_pools, dynamic_layers, half_layers)):
        engine = group.__name__ if group.__name__ in ("qnnpack", "fbgemm") else "fbgemm"
        if report.wanted(group.__name__) and engine in torch.backends.quantized.supported_engines:
            group(report, np.random.default_rng(args.seed * 100 + i))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
