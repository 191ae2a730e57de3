"""Graphs in the language's explicit form: built in Python, written as text and weights, run by the reference engine, evaluated by the oracle."""
import json
import os
import struct
import subprocess

import numpy as np

import numerics
from numerics import Q

DTYPES = {np.dtype(np.float32): ("f32", "F32"), np.dtype(np.uint8): ("u8", "U8"), np.dtype(np.int8): ("s8", "I8"), np.dtype(np.int32): ("i32", "I32")}


def save_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = np.ascontiguousarray(t).tobytes()
        header[name] = {"dtype": DTYPES[t.dtype][1], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def number(x):
    """A float32 so that reading it back gives the same bits."""
    s = repr(float(x)) if not isinstance(x, np.floating) else np.format_float_scientific(np.float32(x), unique=True, trim="0")
    return s


def type_text(array, q):
    shape = ", ".join(str(d) for d in array.shape)
    text = f"{DTYPES[array.dtype][0]}[{shape}]"
    if q is None:
        return text
    parts = []
    if q.scale.ndim:
        parts += [f"scale: [{', '.join(number(s) for s in q.scale)}]", "axis: 0"]
    else:
        parts.append(f"scale: {number(q.scale[()])}")
    if q.zero:
        parts.append(f"zero_point: {q.zero}")
    full = (0, 255) if q.dtype == "u8" else (-128, 127)
    if q.qmin != full[0]:
        parts.append(f"qmin: {q.qmin}")
    if q.qmax != full[1]:
        parts.append(f"qmax: {q.qmax}")
    return text + " {" + ", ".join(parts) + "}"


def attr_text(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(attr_text(e) for e in v) + "]"
    if isinstance(v, (float, np.floating)):
        return repr(float(v))
    return str(v)


def offset(a):
    return (a.astype(np.int16) + 128).astype(np.uint8)


class Graph:
    """Values by name; each is (array of the first sample, Q or None). Nodes are evaluated by the oracle as they are added."""

    def __init__(self):
        self.inputs, self.constants, self.nodes, self.outputs = [], {}, [], []
        self.value = {}

    def input(self, array, q=None, layout=None):
        name = f"in{len(self.inputs)}"
        self.inputs.append((name, layout))
        self.value[name] = (array, q)
        return name

    def constant(self, array, q=None):
        name = f"k{len(self.constants)}"
        self.constants[name] = (array, q)
        self.value[name] = (array, q)
        return name

    def node(self, op, ins, attrs=None, q=None):
        name = f"v{len(self.nodes)}"
        attrs = attrs or {}
        if q is None and op in ("max_pool2d", "pad", "slice", "reshape", "flatten", "transpose", "observe"):
            q = self.value[ins[0]][1]
        self.value[name] = (numerics.evaluate(op, attrs, [self.value[i] for i in ins], q), q)
        self.nodes.append((name, op, attrs, ins, q))
        return name

    def evaluate(self, inputs):
        """All nodes' results for other inputs (in the order of self.inputs)."""
        v = {name: (array, self.value[name][1]) for (name, _), array in zip(self.inputs, inputs)}
        v.update(self.constants)
        for name, op, attrs, ins, q in self.nodes:
            v[name] = (numerics.evaluate(op, attrs, [v[i] for i in ins], q), q)
        return {name: v[name][0] for name, *_ in self.nodes}

    def text(self, weights):
        lines = [f'weights "{weights}"'] if self.constants else []
        sig, begin = [], []
        for name, layout in self.inputs:
            array, q = self.value[name]
            if array.dtype == np.int8:  # samples are float or u8: the same numbers at +128, brought back by an exact requantize
                begin.append(f"  {name}: {type_text(array, q)} = requantize({name}_u)")
                array, q, name = offset(array), Q("u8", q.scale, q.zero + 128, q.qmin + 128, q.qmax + 128), name + "_u"
            sig.append(f"{name}: {type_text(array, q)}" + (f" {layout}" if layout else ""))
        out = [f"{name}: {type_text(*self.value[name])}" for name in self.outputs]
        lines.append(f"model t({', '.join(sig)}) -> ({', '.join(out)}) quantized {{")
        lines += begin
        for name, (array, q) in self.constants.items():
            lines.append(f'  {name}: {type_text(array, q)} = constant(tensor: "{name}")')
        for name, op, attrs, ins, q in self.nodes:
            args = list(ins) + [f"{k}: {attr_text(v)}" for k, v in attrs.items()]
            lines.append(f"  {name}: {type_text(self.value[name][0], q)} = {op}({', '.join(args)})")
        return "\n".join(lines + ["}", ""])

    def close(self):
        """Every value that nothing reads becomes an output."""
        read = {i for _, _, _, ins, _ in self.nodes for i in ins}
        self.outputs = [name for name, *_ in self.nodes if name not in read]

    def run(self, intaglio, folder, samples, engine="reference"):
        """Runs samples (a list of lists of input arrays); gives {value: array with samples first}."""
        if not self.outputs:
            self.close()
        os.makedirs(folder, exist_ok=True)
        if self.constants:
            save_safetensors(os.path.join(folder, "w.safetensors"), {k: a for k, (a, _) in self.constants.items()})
        with open(os.path.join(folder, "m.ig"), "w") as f:
            f.write(self.text("w.safetensors"))
        command = [intaglio, "run", "m.ig", "--engine", engine, "-q", "-j", "1", "--dump-tensors", "t", "-o", "out.npz"]
        for i, (name, layout) in enumerate(self.inputs):
            data = np.concatenate([s[i] for s in samples])
            if data.dtype == np.int8:
                data, name = offset(data), name + "_u"
            if layout == "nhwc":
                data = np.moveaxis(data, 1, -1)
            np.save(os.path.join(folder, f"{name}.npy"), data)
            command += ["--data", f"{name}={name}.npy"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, timeout=600)
        if done.returncode:
            raise RuntimeError(f"intaglio run failed ({done.returncode}) in {folder}:\n{done.stderr}\n{self.text('w.safetensors')}")
        result = {}
        for name, *_ in self.nodes:
            got = np.load(os.path.join(folder, "t", f"{name}.npy"))
            result[name] = got.reshape((len(samples),) + self.value[name][0].shape)
        return result


def same(a, b):
    """Elements with equal bits; any NaN equals any NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return np.zeros(b.shape, bool)
    if a.dtype != np.float32:
        return a == b
    return (a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))


__all__ = ["Graph", "Q", "same", "save_safetensors"]
