#!/usr/bin/env python3
"""Resize, transposed convolution and recurrent layers in float32 against ONNX Runtime's, on random cases: nearest resize to the bit, the others within
float32 rounding. The interpreter runs; that compiled code gives its bytes is the business of tests/bits."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
import env  # noqa: E402

env.need("numpy", "onnx", "onnxruntime")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from common import F, arguments  # noqa: E402
from graphs import save_safetensors  # noqa: E402


class Peer:
    def __init__(self, intaglio):
        self.intaglio, self.temp, self.n, self.rows, self.failed = intaglio, tempfile.TemporaryDirectory(), 0, {}, False

    def theirs(self, op, ins, attrs, results, opset=19):
        """ins: arrays, None where absent; the first is the input."""
        names = ["" if a is None else f"i{k}" for k, a in enumerate(ins)]
        node = helper.make_node(op, names, [f"o{k}" for k in range(results)], **attrs)
        init = [numpy_helper.from_array(a, f"i{k}") for k, a in enumerate(ins) if a is not None and k]
        x = helper.make_tensor_value_info("i0", onnx.TensorProto.FLOAT, ins[0].shape)
        out = [helper.make_tensor_value_info(f"o{k}", onnx.TensorProto.FLOAT, None) for k in range(results)]
        model = helper.make_model(helper.make_graph([node], "g", [x], out, init), opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, {"i0": ins[0]})

    def ours(self, op, x, consts, attrs, theirs, engine):
        """The input comes in as one row, so that any shape is one sample."""
        self.n += 1
        folder = pathlib.Path(self.temp.name) / str(self.n)
        folder.mkdir()
        shape = lambda s: "[" + ", ".join(str(v) for v in s) + "]"  # noqa: E731
        lines = ['weights "w.safetensors"'] if consts else []
        names = [f"k{i}" for i in range(len(consts))]
        results = [f"y{i}" for i in range(len(theirs))]
        lines.append(f"model t(row: f32[1, {x.size}]) -> ({', '.join(f'{n}: f32{shape(v.shape)}' for n, v in zip(results, theirs))}) {{")
        lines.append(f"  x = reshape(row, shape: {shape(x.shape)})")
        lines += [f'  {n} = constant(tensor: "{n}")' for n in names]
        args = ["x"] + names + [f"{k}: {shape(v) if isinstance(v, list) else v}" for k, v in attrs.items()]
        lines.append(f"  {', '.join(results)} = {op}({', '.join(args)})")
        (folder / "m.ig").write_text("\n".join(lines + ["}", ""]))
        if consts:
            save_safetensors(str(folder / "w.safetensors"), dict(zip(names, consts)))
        np.save(folder / "x.npy", x.reshape(1, -1))
        command = [self.intaglio, "run", "m.ig", "--engine", engine, "-q", "--data", "x.npy", "-o", "out.npz"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        if done.returncode:
            raise RuntimeError(done.stderr + (folder / "m.ig").read_text())
        got = np.load(folder / "out.npz")
        return [got[n].reshape(v.shape) for n, v in zip(results, theirs)]

    def check(self, name, op, x, consts, attrs, theirs, tolerance):
        row = self.rows.setdefault(name, [0, 0, 0.0])
        row[0] += 1
        for a, b in zip(self.ours(op, x, consts, attrs, theirs, "float"), theirs):
            error = float(np.max(np.abs(a - b))) / max(1.0, float(np.max(np.abs(b))))
            row[1] += b.size
            row[2] = max(row[2], error)
            if not error <= tolerance:
                print(f"{name} {attrs} of {x.shape}: error {error}")
                self.failed = True


COORDINATES = {"half_pixel": "half_pixel", "half_pixel_symmetric": "half_pixel_symmetric", "pytorch_half_pixel": "pytorch_half_pixel",
               "asymmetric": "asymmetric", "align_corners": "align_corners"}


def resizes(p, r, count):
    for i in range(count):
        x = r.standard_normal((1, int(r.integers(1, 5)), int(r.integers(2, 9)), int(r.integers(2, 9)))).astype(F)
        mode, coordinate = ("nearest", "linear")[i % 2], list(COORDINATES)[i // 2 % 5]
        attrs, ins = {"mode": mode, "coordinate": coordinate}, None
        if r.random() < 0.5:
            sizes = list(x.shape[:2]) + [int(r.integers(1, 20)) for _ in range(2)]
            attrs["sizes"], ins = sizes, [x, None, None, np.array(sizes, np.int64)]
        else:
            scales = [1.0, 1.0] + [float(F(v)) for v in r.choice([0.5, 0.6, 1.5, 2.0, 3.0, 0.8], 2)]
            attrs["scales"], ins = scales, [x, None, np.array(scales, F)]
        theirs = {"mode": mode, "coordinate_transformation_mode": COORDINATES[coordinate]}
        if mode == "nearest":
            attrs["nearest_mode"] = theirs["nearest_mode"] = str(r.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]))
        p.check(f"resize {mode}", "resize", x, [], attrs, p.theirs("Resize", ins, theirs, 1), 0 if mode == "nearest" else 2e-6)


def transposed(p, r, count):
    for _ in range(count):
        groups = int(r.choice([1, 1, 2]))
        c, m, kernel = groups * int(r.integers(1, 6)), int(r.integers(1, 7)), [int(v) for v in r.integers(1, 5, 2)]
        stride, dil, pad = [int(v) for v in r.integers(1, 4, 2)], [int(v) for v in r.integers(1, 3, 2)], [int(v) for v in r.integers(0, 2, 4)]
        extra = [int(r.integers(0, s)) for s in stride]
        x, w = r.standard_normal((1, c, 7, 6)).astype(F), r.standard_normal((c, m, *kernel)).astype(F)
        b = r.standard_normal(m * groups).astype(F)
        theirs = p.theirs("ConvTranspose", [x, w, b], {"strides": stride, "dilations": dil, "pads": pad, "output_padding": extra, "group": groups}, 1)
        attrs = {"stride": stride, "dilation": dil, "pad": pad, "output_padding": extra, "groups": groups}
        p.check("conv_transpose2d", "conv_transpose2d", x, [w, b], attrs, theirs, 5e-6)


def recurrent(p, r, count):
    for i in range(count):
        op, gates, results = (("LSTM", 4, 3), ("GRU", 3, 2), ("RNN", 1, 2))[i % 3]
        t, n, inputs, h = int(r.integers(1, 9)), int(r.integers(1, 4)), int(r.integers(1, 20)), int(r.integers(1, 37))
        direction = str(r.choice(["forward", "reverse", "bidirectional"]))
        d = 2 if direction == "bidirectional" else 1
        make = lambda *s: (r.standard_normal(s) * 0.5).astype(F)  # noqa: E731
        x = make(t, n, inputs)
        consts = [make(d, gates * h, inputs), make(d, gates * h, h), make(d, 2 * gates * h), make(d, n, h)]
        if op == "LSTM":
            consts += [make(d, n, h), make(d, 3 * h)]
        keep = int(r.integers(2, len(consts) + 1))
        consts = consts[:keep]
        ins = [x] + consts[:3] + [None] * (3 - len(consts[:3])) + [None] + consts[3:]
        theirs, attrs = {"hidden_size": h, "direction": direction}, {"hidden": h, "direction": direction}
        if op == "GRU":
            flag = int(r.integers(2))
            theirs["linear_before_reset"], attrs["linear_before_reset"] = flag, "true" if flag else "false"
        p.check(op.lower(), op.lower(), x, consts, attrs, p.theirs(op, ins, theirs, results, 14), 1e-5)


def main():
    args = arguments(__doc__)
    p = Peer(args.intaglio)
    for i, (group, count) in enumerate(((resizes, 80), (transposed, 30), (recurrent, 36))):
        group(p, np.random.default_rng(args.seed * 100 + i), count)
    print(f"{'operator':20} {'cases':>6} {'values':>9} {'largest error':>14}")
    for name, (cases, values, error) in p.rows.items():
        print(f"{name:20} {cases:6} {values:9} {error:14.3g}")
    return 1 if p.failed else 0


if __name__ == "__main__":
    sys.exit(main())
