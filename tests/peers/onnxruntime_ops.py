#!/usr/bin/env python3
"""Our quantized operators against ONNX Runtime's, bit for bit. Where its norm is another (QLinearAdd, QLinearMul, QLinearAveragePool), its own formula must
be met and the count of bytes that differ from ours is printed."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import env  # noqa: E402

env.need("numpy", "onnx", "onnxruntime")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from common import KINDS, F, Graph, Q, Report, Scales, arguments, conv_case, numerics  # noqa: E402

ELEM = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8, np.dtype(np.float32): TensorProto.FLOAT}
MS = "com.microsoft"


def model_of(nodes, inputs, constants, out_dtype):
    """nodes: [(op, domain, inputs, outputs, attributes)]; the last output is the result."""
    made = [helper.make_node(op, i, o, domain=d, **a) for op, d, i, o, a in nodes]
    graph = helper.make_graph(made, "g", [helper.make_tensor_value_info(n, ELEM[a.dtype], a.shape) for n, a in inputs.items()],
                              [helper.make_tensor_value_info(nodes[-1][3][0], ELEM[np.dtype(out_dtype)], None)],
                              [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)], ir_version=9)


def run(nodes, inputs, constants, out_dtype):
    model = model_of(nodes, inputs, constants, out_dtype)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def params(name, q):
    """Scale and zero point as initializers, the zero point in the tensor's type."""
    return {f"{name}_s": np.asarray(q.scale, F), f"{name}_z": np.full(np.shape(q.scale), q.zero, q.np)}


def convs(report, r):
    cases = [((1, 16, 14, 14), (32, 16, 1, 1), {}), ((1, 8, 12, 13), (24, 8, 3, 3), {"pad": [1, 1, 1, 1]}), ((1, 5, 11, 9), (7, 5, 3, 3), {"stride": [2, 2]}),
             ((1, 3, 20, 20), (16, 3, 7, 7), {"stride": [2, 2], "pad": [3, 3, 3, 3]}), ((1, 12, 9, 9), (8, 6, 3, 3), {"groups": 2, "pad": [0, 1, 2, 1], "dilation": [2, 1]}),
             ((1, 24, 13, 13), (24, 1, 3, 3), {"depthwise": True, "pad": [1, 1, 1, 1]}), ((1, 19, 15, 10), (19, 1, 5, 5), {"depthwise": True, "pad": [2, 2, 2, 2], "stride": [2, 1]}),
             ((1, 256, 6, 6), (32, 256, 3, 3), {"pad": [1, 1, 1, 1]})]
    for kind in KINDS:
        for dtype in ("u8", "s8"):
            for shape, wshape, spec in cases:
                attrs = {k: v for k, v in spec.items() if k != "depthwise"}
                op = "depthwise_conv2d" if spec.get("depthwise") else "conv2d"
                x, qx, w, qw, _, b, qy = conv_case(r, Scales(kind, r), shape, wshape, attrs, dtype)
                pt, pl, pb, pr = attrs.get("pad", [0, 0, 0, 0])
                onnx_attrs = {"pads": [pt, pl, pb, pr], "strides": attrs.get("stride", [1, 1]), "dilations": attrs.get("dilation", [1, 1]),
                              "group": shape[1] if op != "conv2d" else attrs.get("groups", 1)}
                theirs = run([("QLinearConv", "", ["x", "x_s", "x_z", "w", "w_s", "w_z", "y_s", "y_z", "b"], ["y"], onnx_attrs)], {"x": x},
                             {**params("x", qx), "w": w, "w_s": qw.scale, "w_z": np.zeros(wshape[0], np.int8), **params("y", qy), "b": b}, x.dtype)
                g = Graph()
                g.node(op, [g.input(x, qx), g.constant(w, qw), g.constant(b)], attrs, qy)
                report.add("ONNX Runtime", f"QLinearConv {dtype}{' depthwise' if op != 'conv2d' else ''}", kind, theirs, report.ours(g))


def linears(report, r):
    for kind in KINDS:
        for n, k, oc in ((16, 64, 133), (8, 640, 128), (24, 17, 60)):
            x, qx, w, qw, _, b, qy = conv_case(r, Scales(kind, r), (n, k), (oc, k), {}, per_channel=True)
            common = {**params("a", qx), "w": w.T.copy(), "w_s": qw.scale, "w_z": np.zeros(oc, np.int8), **params("y", qy), "b": b}
            theirs = run([("QGemm", MS, ["x", "a_s", "a_z", "w", "w_s", "w_z", "b", "y_s", "y_z"], ["y"], {})], {"x": x}, common, x.dtype)
            g = linear_graph(x, qx, w, qw, b, qy)
            report.add("ONNX Runtime", "QGemm", kind, theirs, report.ours(g))
            theirs = run([("QLinearMatMul", "", ["x", "a_s", "a_z", "w", "w_s", "w_z", "y_s", "y_z"], ["y"], {})], {"x": x}, common, x.dtype)
            report.add("ONNX Runtime", "QLinearMatMul", kind, theirs, report.ours(linear_graph(x, qx, w, qw, np.zeros(oc, np.int32), qy)))


def linear_graph(x, qx, w, qw, b, qy):
    """The first axis is the batch of one, so that rows become a second one."""
    g = Graph()
    g.node("linear", [g.input(x[None], qx), g.constant(w, qw), g.constant(b)], {}, qy)
    g.node("reshape", [g.nodes[-1][0]], {"shape": [x.shape[0], w.shape[0]]})
    return g


def global_pools(report, r):
    for kind in KINDS:
        for dtype in ("u8", "s8"):
            for shape in ((1, 1024, 7, 7), (1, 637, 8, 8), (1, 2000, 5, 6), (1, 416, 13, 1)):
                sc = Scales(kind, r)
                qx = sc.activation(0.03, dtype)
                qy = sc.activation(0.008, dtype, qx.scale)
                x = (r.integers(0, 256, shape) + (0 if dtype == "u8" else -128)).astype(qx.np)
                theirs = run([("QLinearGlobalAveragePool", MS, ["x", "x_s", "x_z", "y_s", "y_z"], ["y"], {"channels_last": 0})], {"x": x},
                             {**params("x", qx), **params("y", qy)}, x.dtype)
                g = Graph()
                g.node("global_avg_pool", [g.input(x, qx)], {}, qy)
                report.add("ONNX Runtime", f"QLinearGlobalAveragePool {dtype}", kind, theirs, report.ours(g))


def average_formula(x, qx, qy, attrs):
    """The float sum of dequantized values row by row, divided twice, the zero point added before rounding."""
    v = numerics.ints(x, qx).astype(F) * qx.scale
    total = None
    for _, _, t, _ in numerics.taps(v, attrs, attrs["kernel"], F(0)):
        total = t if total is None else total + t
    n = numerics.counted(x, attrs, attrs["kernel"], attrs.get("count_include_pad", False), False).astype(F)
    return np.clip(np.rint(total / n / qy.scale + F(qy.zero)), qy.qmin, qy.qmax).astype(qy.np)


def average_pools(report, r):
    for kind in KINDS:
        for include in (False, True):
            for shape, attrs in (((1, 16, 12, 12), {"kernel": [2, 2], "stride": [2, 2]}), ((1, 9, 14, 11), {"kernel": [3, 3], "stride": [1, 1], "pad": [1, 1, 1, 1]}),
                                 ((1, 7, 13, 16), {"kernel": [3, 2], "stride": [2, 1], "pad": [1, 0, 1, 1]})):
                sc = Scales(kind, r)
                qx = sc.activation(0.03)
                qy = sc.activation(0.03, "u8", qx.scale)
                if kind == "equal":
                    qy.zero = qx.zero
                x = r.integers(0, 256, shape).astype(np.uint8)
                attrs = {**attrs, **({"count_include_pad": True} if include else {})}
                theirs = run([("QLinearAveragePool", MS, ["x", "x_s", "x_z", "y_s", "y_z"], ["y"],
                               {"kernel_shape": attrs["kernel"], "strides": attrs.get("stride", [1, 1]), "pads": attrs.get("pad", [0, 0, 0, 0]),
                                "count_include_pad": int(include)})], {"x": x}, {**params("x", qx), **params("y", qy)}, x.dtype)
                g = Graph()
                g.node("avg_pool2d", [g.input(x, qx)], attrs, qy)
                report.add("ONNX Runtime", "QLinearAveragePool", kind, theirs, report.ours(g), average_formula(x, qx, qy, attrs))


def add_formula(a, qa, b, qb, qy):
    ra, rb = qa.scale / qy.scale, qb.scale / qy.scale
    c = F(qy.zero) - (ra * F(qa.zero) + rb * F(qb.zero))
    v = numerics.fma(a.astype(F), ra, numerics.fma(b.astype(F), rb, c))
    return np.clip(np.rint(v), qy.qmin, qy.qmax).astype(qy.np)


def mul_formula(a, qa, b, qb, qy):
    v = (numerics.ints(a, qa) * numerics.ints(b, qb)).astype(F) * ((qa.scale * qb.scale) / qy.scale) + F(qy.zero)
    return np.clip(np.rint(v), qy.qmin, qy.qmax).astype(qy.np)


def binaries(report, r):
    for op, theirs_op, formula in (("add", "QLinearAdd", add_formula), ("mul", "QLinearMul", mul_formula)):
        for kind in KINDS:
            for dtype in ("u8", "s8"):
                for _ in range(6):
                    sc = Scales(kind, r)
                    qa = sc.activation(0.02, dtype)
                    qb = sc.activation(0.03, dtype, qa.scale)
                    qy = sc.activation(0.05, dtype, qa.scale) if op == "add" else sc.activation(0.05, dtype)
                    lo = 0 if dtype == "u8" else -128
                    a, b = ((r.integers(0, 256, (1, 32, 32, 16)) + lo).astype(qa.np) for _ in range(2))
                    theirs = run([(theirs_op, MS, ["a", "a_s", "a_z", "b", "b_s", "b_z", "y_s", "y_z"], ["y"], {})], {"a": a, "b": b},
                                 {**params("a", qa), **params("b", qb), **params("y", qy)}, a.dtype)
                    g = Graph()
                    g.node(op, [g.input(a, qa), g.input(b, qb)], {}, qy)
                    report.add("ONNX Runtime", f"{theirs_op} {dtype}", kind, theirs, report.ours(g), formula(a, qa, b, qb, qy))


def tables(report, r):
    """Every byte of many scales. QLinearSigmoid has a polynomial of its own: 1 of 460,800 measured."""
    specs = [("leaky_relu", {"alpha": 0.1}, "LeakyRelu", {"alpha": 0.1}), ("tanh", {}, "Tanh", {}), ("hard_swish", {}, "HardSwish", {}), ("relu", {}, "Relu", {}),
             ("clip", {"min": 0.0, "max": 6.0}, "Clip", {}), ("sigmoid", {}, "Sigmoid", {})]
    for kind in KINDS:
        for op, attrs, theirs_op, theirs_attrs in specs:
            for _ in range(20):
                sc = Scales(kind, r)
                qx = sc.activation(0.04)
                qy = Q("u8", sc.near(1 / 256 if op == "sigmoid" else 1 / 128 if op == "tanh" else 0.04, None if op in ("sigmoid", "tanh") else qx.scale), sc.zero())
                x = np.arange(256, dtype=np.uint8).reshape(1, 256)
                const = {**params("x", qx), **params("y", qy)}
                if op == "leaky_relu":
                    nodes = [("QLinearLeakyRelu", MS, ["x", "x_s", "x_z", "y_s", "y_z"], ["y"], theirs_attrs)]
                else:
                    extra = []
                    if op == "clip":
                        const.update(lo=np.asarray(0, F), hi=np.asarray(6, F))
                        extra = ["lo", "hi"]
                    nodes = [("DequantizeLinear", "", ["x", "x_s", "x_z"], ["f"], {}), (theirs_op, "", ["f"] + extra, ["h"], theirs_attrs),
                             ("QuantizeLinear", "", ["h", "y_s", "y_z"], ["y"], {})]
                theirs = run(nodes, {"x": x}, const, np.uint8)
                g = Graph()
                g.node(op, [g.input(x, qx)], attrs, qy)
                report.add("ONNX Runtime", theirs_op if op != "leaky_relu" else "QLinearLeakyRelu", kind, theirs, report.ours(g), allow=2 if op == "sigmoid" else 0)


def conversions(report, r):
    for kind in KINDS:
        for dtype in ("u8", "s8"):
            for _ in range(3):
                sc = Scales(kind, r)
                q = sc.activation(0.02, dtype)
                x = np.concatenate([r.standard_normal(20000) * 2, (r.integers(-300, 300, 20000) + 0.5) * np.float64(q.scale), [0, 1e30, -1e30, 3e38, np.inf, -np.inf]])
                x = x.astype(F)[None]  # ties and decision boundaries among them
                theirs = run([("QuantizeLinear", "", ["x", "q_s", "q_z"], ["y"], {})], {"x": x}, params("q", q), q.np)
                g = Graph()
                g.node("quantize", [g.input(x)], {}, q)
                report.add("ONNX Runtime", f"QuantizeLinear {dtype}", kind, theirs, report.ours(g))
                b = np.arange(256).astype(np.uint8).view(q.np)[None]
                theirs = run([("DequantizeLinear", "", ["x", "q_s", "q_z"], ["y"], {})], {"x": b}, params("q", q), F)
                g = Graph()
                g.node("dequantize", [g.input(b, q)])
                report.add("ONNX Runtime", f"DequantizeLinear {dtype}", kind, theirs, report.ours(g))


def concats(report, r):
    for kind in KINDS:
        sc = Scales(kind, r)
        qa = sc.activation(0.02)
        qb, qy = sc.activation(0.03, "u8", qa.scale), sc.activation(0.03, "u8", qa.scale)
        a, b = (np.tile(np.arange(256, dtype=np.uint8), 8).reshape(1, 8, 16, 16) for _ in range(2))
        theirs = run([("QLinearConcat", MS, ["y_s", "y_z", "a", "a_s", "a_z", "b", "b_s", "b_z"], ["y"], {"axis": 1})], {"a": a, "b": b},
                     {**params("a", qa), **params("b", qb), **params("y", qy)}, np.uint8)
        g = Graph()
        g.node("concat", [g.input(a, qa), g.input(b, qb)], {"axis": 1}, qy)
        report.add("ONNX Runtime", "QLinearConcat", kind, theirs, report.ours(g))


def softmax_formula(x, qx, qy):
    """Its own table, anchored so that sums stay in range, a sequential sum, and floor(1 / s_y)."""
    d, i = x.shape[-1], np.arange(256)
    c = max(0.0, np.log(np.finfo(F).max / d) - 5) / np.float64(qx.scale)
    t = np.exp((i - 255 + c) * np.float64(qx.scale)).astype(F)
    e = t[255 - (x.max(-1, keepdims=True).astype(np.int64) - x)]
    total = np.zeros(e.shape[:-1], F)
    for k in range(d):
        total = total + e[..., k]
    return np.clip(np.rint(e * F(np.floor(F(1) / qy.scale)) / total[..., None]) + qy.zero, 0, 255).astype(np.uint8)


def softmaxes(report, r):
    for kind in ("random", "pow2"):
        for d in (10, 12, 100):
            qx, qy = Scales(kind, r).activation(0.05), Q("u8", F(1 / 256), 0)
            x = r.integers(0, 256, (1, 400, d)).astype(np.uint8)
            theirs = run([("QLinearSoftmax", MS, ["x", "x_s", "x_z", "y_s", "y_z"], ["y"], {"axis": -1, "opset": 17})], {"x": x},
                         {**params("x", qx), **params("y", qy)}, np.uint8)
            g = Graph()
            g.node("softmax", [g.input(x, qx)], {"axis": 2}, qy)
            report.add("ONNX Runtime", "QLinearSoftmax", kind, theirs, report.ours(g), softmax_formula(x, qx, qy))


def spread(r, shape):
    """Numbers of one sign or both, of any size; now and then all are zero."""
    x = r.standard_normal(shape) * 10.0 ** r.uniform(-6, 6) + r.uniform(-3, 3)
    return (x * r.choice([0, 1, 1, 1, 1, 1, 1, 1]) if r.random() < 0.8 else np.abs(x)).astype(F)


def imported(report, model, x, engine):
    """The model itself, as it is read from its file."""
    folder = pathlib.Path(report.temp.name)
    onnx.save(model, folder / "m.onnx")
    np.save(folder / "x.npy", x)
    subprocess.run([report.intaglio, "run", "m.onnx", "--data", "x.npy", "--engine", engine, "-q", "-o", "y.npy"], cwd=folder, check=True)
    return np.load(folder / "y.npy")


def dynamic(report, r):
    """DynamicQuantizeLinear, products of integers, and what exporters write behind them; some of the models are imported, and must become the same layer."""
    for turn in range(20):
        for n, k, oc in ((1, 64, 133), (1, 640, 128), (24, 17, 60)):
            x, w, b = spread(r, (n, k)), np.clip(np.rint(r.standard_normal((oc, k)) * 40), -128, 127).astype(np.int8), r.standard_normal(oc).astype(F)
            s_w = (0.003 * r.uniform(0.5, 2, oc)).astype(F)
            nodes = [("DynamicQuantizeLinear", "", ["x"], ["q", "s", "z"], {}), ("MatMulInteger", "", ["q", "w", "z"], ["a"], {}),
                     ("Cast", "", ["a"], ["f"], {"to": TensorProto.FLOAT}), ("Mul", "", ["s", "s_w"], ["m"], {}), ("Mul", "", ["f", "m"], ["p"], {}),
                     ("Add", "", ["p", "b"], ["y"], {})]
            constants = {"w": w.T.copy(), "s_w": s_w, "b": b}
            theirs = run(nodes, {"x": x}, constants, F)
            g = Graph()
            g.node("linear", [g.input(x[None]), g.constant(w, Q("s8", s_w)), g.constant(b)], {"dynamic": 255})
            report.add("ONNX Runtime", "dynamic linear", "random", theirs[None], report.ours(g))
            if n == 1 and turn < 3:
                for engine in ("reference", "native"):
                    report.add("ONNX Runtime", f"dynamic linear, {engine}", "import", theirs, imported(report, model_of(nodes, {"x": x}, constants, F), x, engine))
        for shape, wshape, attrs in (((1, 8, 12, 13), (24, 8, 3, 3), {"pad": [1, 1, 1, 1]}), ((1, 5, 11, 9), (7, 5, 3, 3), {"stride": [2, 2]})):
            x, w = spread(r, shape), np.clip(np.rint(r.standard_normal(wshape) * 40), -128, 127).astype(np.int8)
            s_w = F(0.003 * r.uniform(0.5, 2))
            nodes = [("DynamicQuantizeLinear", "", ["x"], ["q", "s", "z"], {}),
                     ("ConvInteger", "", ["q", "w", "z", "w_z"], ["a"], {"pads": attrs.get("pad", [0] * 4), "strides": attrs.get("stride", [1, 1])}),
                     ("Cast", "", ["a"], ["f"], {"to": TensorProto.FLOAT}), ("Mul", "", ["s", "s_w"], ["m"], {}), ("Mul", "", ["f", "m"], ["y"], {})]
            constants = {"w": (w.astype(np.int16) + 128).astype(np.uint8), "w_z": np.uint8(128), "s_w": s_w}
            theirs = run(nodes, {"x": x}, constants, F)
            g = Graph()
            g.node("conv2d", [g.input(x), g.constant(w, Q("s8", s_w))], {**attrs, "dynamic": 255})
            report.add("ONNX Runtime", "dynamic conv2d", "random", theirs, report.ours(g))
            if turn < 3:
                for engine in ("reference", "native"):
                    report.add("ONNX Runtime", f"dynamic conv2d, {engine}", "import", theirs, imported(report, model_of(nodes, {"x": x}, constants, F), x, engine))


def main():
    args = arguments(__doc__)
    report = Report(args.intaglio, args.names)
    print(f"ONNX Runtime {ort.__version__}, onnx {onnx.__version__}")
    for i, group in enumerate((convs, linears, global_pools, average_pools, binaries, tables, conversions, concats, softmaxes, dynamic)):
        if report.wanted(group.__name__):
            group(report, np.random.default_rng(args.seed * 100 + i))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
