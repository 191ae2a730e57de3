#!/usr/bin/env python3
"""Two large networks with random weights, 1x3x224x224: ResNet-50 v1.5 and MobileNetV2, each as .ig text with its .safetensors and as the same graph in ONNX
(opset 17) for the peers. Written from one description, from one seed: the same bytes each time.

Weights keep the size of activations from layer to layer (He's initialization; batch normalization with statistics near 0 and 1; a block's last
normalization scaled down), so that calibration meets ordinary ranges. Speed does not depend on the values, accuracy is not measured here.

models.py FOLDER [--models resnet50,mobilenetv2] [--samples N] [--check]    writes NAME.ig, NAME.safetensors, NAME.onnx and calib.npy"""
import argparse
import json
import pathlib

import numpy as np

SEED = 1234
SIZE = 224
CLASSES = 1000


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for t in tensors.values():
            f.write(t.astype("<f4").tobytes())


class Network:
    """Collects one network: lines of .ig, nodes of ONNX, tensors. A value is its name; shapes are known as (channels, size)."""

    def __init__(self, name):
        self.name, self.rng = name, np.random.default_rng(SEED)
        self.lines, self.nodes, self.tensors, self.shape = [], [], {}, {"x": (3, SIZE)}

    def node(self, op, inputs, output, **attributes):
        self.nodes.append((op, inputs, output, attributes))

    def line(self, text):
        self.lines.append("  " + text)

    def tensor(self, name, values):
        self.tensors[name] = np.ascontiguousarray(values, np.float32)

    def normalization(self, name, channels, gain):
        self.tensor(f"{name}.weight", gain * self.rng.uniform(0.8, 1.2, channels))
        self.tensor(f"{name}.bias", self.rng.normal(0, 0.1, channels))
        self.tensor(f"{name}.running_mean", self.rng.normal(0, 0.1, channels))
        self.tensor(f"{name}.running_var", self.rng.uniform(0.8, 1.2, channels))
        return [f"{name}.{p}" for p in ("weight", "bias", "running_mean", "running_var")]

    def conv(self, x, name, filters, kernel, stride=1, depthwise=False, act=None, gain=1.0):
        """Convolution, batch normalization and perhaps an activation ("relu", "relu6")."""
        channels, size = self.shape[x]
        fan, pad = (1 if depthwise else channels) * kernel * kernel, kernel // 2
        self.tensor(f"{name}.weight", self.rng.normal(0, (2 / fan) ** 0.5, (filters, 1 if depthwise else channels, kernel, kernel)))
        self.node("Conv", [x, f"{name}.weight"], f"{name}.c", kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=channels if depthwise else 1)
        self.node("BatchNormalization", [f"{name}.c"] + self.normalization(f"{name}_bn", filters, gain), f"{name}.n", epsilon=1e-5)
        call = f"depthwise_conv2d({x}, " if depthwise else f"conv2d({x}, filters: {filters}, "
        self.line(f'{name}_c = {call}kernel: {kernel}, stride: {stride}, pad: {pad}, bias: false, name: "{name}")')
        value = f'batch_norm({name}_c, name: "{name}_bn")'
        self.line(f"{name}_y = {act}({value})" if act else f"{name}_y = {value}")
        self.activation(act, f"{name}.n", f"{name}_y")
        self.shape[f"{name}_y"] = (filters, (size + 2 * pad - kernel) // stride + 1)
        return f"{name}_y"

    def activation(self, act, x, y):
        if act == "relu6":
            self.node("Clip", [x, "zero", "six"], y)
        else:
            self.node("Relu" if act else "Identity", [x], y)

    def add(self, a, b, name, relu):
        self.node("Add", [a, b], f"{name}.s" if relu else name)
        if relu:
            self.node("Relu", [f"{name}.s"], name)
        self.line(f"{name} = relu(add({a}, {b}))" if relu else f"{name} = add({a}, {b})")
        self.shape[name] = self.shape[a]
        return name

    def max_pool(self, x, name):
        self.node("MaxPool", [x], name, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        self.line(f"{name} = max_pool2d({x}, kernel: 3, stride: 2, pad: 1)")
        self.shape[name] = (self.shape[x][0], (self.shape[x][1] + 1) // 2)
        return name

    def classify(self, x):
        channels = self.shape[x][0]
        self.tensor("fc.weight", self.rng.normal(0, (1 / channels) ** 0.5, (CLASSES, channels)))
        self.tensor("fc.bias", self.rng.normal(0, 0.1, CLASSES))
        self.node("GlobalAveragePool", [x], "gap")
        self.node("Flatten", ["gap"], "flat", axis=1)
        self.node("Gemm", ["flat", "fc.weight", "fc.bias"], "scores", transB=1)
        self.line(f"fc = linear(flatten(global_avg_pool({x})), units: {CLASSES})")
        self.line("scores = fc")

    def write(self, folder):
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        write_safetensors(folder / f"{self.name}.safetensors", self.tensors)
        text = "\n".join([f'weights "{self.name}.safetensors"', "", f"model {self.name}(x: f32[1, 3, {SIZE}, {SIZE}]) -> (scores: f32[1, {CLASSES}]) {{"] + self.lines + ["}", ""])
        (folder / f"{self.name}.ig").write_text(text)
        constants = self.tensors | {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
        used = {i for _, inputs, _, _ in self.nodes for i in inputs}
        graph = helper.make_graph([helper.make_node(op, i, [o], **a) for op, i, o, a in self.nodes], self.name,
                                  [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
                                  [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])],
                                  [numpy_helper.from_array(t, n) for n, t in constants.items() if n in used])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{self.name}.onnx")


def resnet50():
    n = Network("resnet50")
    h = n.max_pool(n.conv("x", "stem", 64, 7, 2, act="relu"), "pool")
    for stage, (blocks, width, stride) in enumerate(((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)), 1):
        for i in range(blocks):
            name, s = f"layer{stage}_{i}", stride if i == 0 else 1
            y = n.conv(h, f"{name}_1", width, 1, act="relu")
            y = n.conv(y, f"{name}_2", width, 3, s, act="relu")  # v1.5: the stride is here
            y = n.conv(y, f"{name}_3", 4 * width, 1, gain=0.5)
            if i == 0:
                h = n.conv(h, f"{name}_down", 4 * width, 1, s)
            h = n.add(y, h, name, relu=True)
    n.classify(h)
    return n


def mobilenetv2():
    n = Network("mobilenetv2")
    h = n.conv("x", "stem", 32, 3, 2, act="relu6")
    at = 0
    for expand, filters, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(blocks):
            name, s, channels = f"block{at}", stride if i == 0 else 1, n.shape[h][0]
            y = n.conv(h, f"{name}_expand", expand * channels, 1, act="relu6") if expand > 1 else h
            y = n.conv(y, f"{name}_depthwise", expand * channels, 3, s, depthwise=True, act="relu6")
            y = n.conv(y, f"{name}_project", filters, 1, gain=0.5)
            h = n.add(h, y, name, relu=False) if s == 1 and channels == filters else y
            at += 1
    n.classify(n.conv(h, "head", 1280, 1, act="relu6"))
    return n


NETWORKS = {"resnet50": resnet50, "mobilenetv2": mobilenetv2}


def samples(count):
    return np.random.default_rng(SEED + 1).normal(0, 1, (count, 3, SIZE, SIZE)).astype(np.float32)


def build(folder, name):
    """The network's files in the folder, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"{name}.onnx").exists():
        NETWORKS[name]().write(folder)
    return folder / f"{name}.ig", folder / f"{name}.onnx"


def check(intaglio, folder, name, x):
    """Our float results beside ONNX Runtime's: the largest difference as a share of the largest score."""
    import onnxruntime as ort
    from common import run
    np.save(folder / "check.npy", x)
    run(intaglio, "run", folder / f"{name}.ig", "--engine", "float", "--data", folder / "check.npy", "-o", folder / "check_out.npy", "--quiet")
    ours = np.load(folder / "check_out.npy")
    session = ort.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"x": s[None]})[0] for s in x])
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--models", default=",".join(NETWORKS))
    parser.add_argument("--samples", type=int, default=4, help="in calib.npy")
    parser.add_argument("--intaglio", default="build/intaglio")
    parser.add_argument("--check", action="store_true", help="run the float model here and in ONNX Runtime; exit status 1 when they differ by more than 1e-4")
    args = parser.parse_args()
    for name in args.models.split(","):
        build(args.folder, name)
        if args.check:
            difference = check(args.intaglio, args.folder, name, samples(1))
            print(f"{name}: largest difference from ONNX Runtime's float scores {difference:.2e} of the largest score")
            if not difference < 1e-4:
                raise SystemExit(1)
    np.save(args.folder / "calib.npy", samples(args.samples))


if __name__ == "__main__":
    main()
