#!/usr/bin/env python3
"""Models exported by PyTorch's two exporters, with random weights: they import, their float results are PyTorch's within 1e-4, and the operations that the
exporters write out as many are recognized. The encoder's linear layers run in int8.

exported.py INTAGLIO"""
import collections
import contextlib
import io
import json
import logging
import math
import pathlib
import sys
import tempfile
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
import models  # noqa: E402

models.env.need("numpy", "torch", "onnx")
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

LIMIT = 1e-4


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.norm, self.c2, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3, stride=2), nn.Linear(16, 10)

    def forward(self, x):
        x = F.gelu(self.c2(torch.relu(self.norm(self.c1(x)))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)).log_softmax(-1)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.a, self.na = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.b, self.nb = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.down(x) + self.nb(self.b(torch.relu(self.na(self.a(x))))))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.pool, self.fc = nn.Conv2d(3, 16, 7, 2, 3), nn.MaxPool2d(3, 2, 1), nn.Linear(64, 10)
        self.layers = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))

    def forward(self, x):
        return self.fc(self.layers(self.pool(torch.relu(self.stem(x)))).mean([2, 3]))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.expand, self.dw = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 64, 1), nn.Conv2d(64, 64, 5, 2, 2, groups=64)
        self.squeeze, self.excite, self.project = nn.Conv2d(64, 16, 1), nn.Conv2d(16, 64, 1), nn.Conv2d(64, 24, 1)
        self.head = nn.Sequential(nn.Linear(24, 64), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(64, 10))

    def forward(self, x):
        x = F.hardswish(self.dw(F.hardswish(self.expand(F.hardswish(self.stem(x))))))
        x = self.project(x * F.hardsigmoid(self.excite(torch.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1))))))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.head(x * F.relu6(x + 3) / 6)  # hard_swish as it was written before it had a name


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.fc = nn.Embedding(100, 16), nn.Linear(16, 5)
        self.lstm, self.gru = nn.LSTM(16, 32, 2, batch_first=True, bidirectional=True), nn.GRU(64, 16, batch_first=True)

    def forward(self, x):
        return self.fc(self.gru(self.lstm(self.embed(x))[0])[0][:, -1])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.place, self.norm, self.fc = nn.Embedding(100, 32), nn.Embedding(64, 32), nn.LayerNorm(32), nn.Linear(32, 3)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=i == 1) for i in range(2)])

    def forward(self, x):
        h = self.norm(self.token(x) + self.place(torch.arange(x.shape[1])[None]))
        for layer in self.layers:
            h = layer(h)
        return torch.tanh(self.fc(h[:, 0]))


class BertLayer(nn.Module):
    """Attention written out, as in BERT."""

    def __init__(self, d=64, heads=4, wide=128):
        super().__init__()
        self.heads, self.approximate = heads, "none"
        self.q, self.k, self.v, self.o, self.up, self.down = (nn.Linear(*io) for io in [(d, d)] * 4 + [(d, wide), (wide, d)])
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-12), nn.LayerNorm(d, eps=1e-12)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = (f(x).view(b, s, self.heads, d // self.heads).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) * (1 / math.sqrt(d // self.heads)), -1)
        x = self.norm1(x + self.o(torch.matmul(a, v).transpose(1, 2).reshape(b, s, d)))
        return self.norm2(x + self.down(F.gelu(self.up(x), approximate=self.approximate)))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(BertLayer(), BertLayer())
        self.layers[1].approximate = "tanh"

    def forward(self, x):
        return self.layers(x)


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.up, self.instance, self.group = nn.Conv2d(8, 16, 1, groups=2), nn.ConvTranspose2d(16, 8, 2, 2), nn.InstanceNorm2d(8, affine=True), nn.GroupNorm(2, 8)

    def forward(self, x):
        y = self.c(x)
        b, c, h, w = y.shape
        a, d = y.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w).chunk(2, 1)
        y = self.group(self.instance(self.up(torch.cat([a * 2, d.clamp(0, 3)], 1))))
        return F.pad(F.interpolate(y, scale_factor=2, mode="bilinear"), (1, 1, 1, 1), mode="reflect")


CASES = {
    "small": (Small, lambda: torch.randn(1, 3, 32, 32)),
    "resnet": (ResNet, lambda: torch.randn(1, 3, 64, 64)),
    "mobilenet": (MobileNet, lambda: torch.randn(1, 3, 64, 64)),
    "recurrent": (Recurrent, lambda: torch.randint(0, 100, (1, 12))),
    "encoder": (Encoder, lambda: torch.randint(0, 100, (1, 16))),
    "bert": (Bert, lambda: torch.randn(1, 16, 64)),
    "shuffle": (Shuffle, lambda: torch.randn(1, 8, 8, 8)),
}
# how many of these operations inspect must list: recognized, or left over from what is written out
OPERATIONS = {
    "small": {"gelu": 1, "erf": 0},
    "mobilenet": {"hard_swish": 5, "hard_sigmoid": 1, "div": 0, "clip": 0, "relu6": 0},
    "encoder": {"layer_norm": 5, "gelu": 2, "erf": 0, "pow": 0, "sqrt": 0, "reduce_mean": 0},
    "bert": {"layer_norm": 4, "gelu": 2, "linear": 8, "linear_add": 4, "add": 0, "mul": 0, "div": 0, "erf": 0, "tanh": 0, "pow": 0, "sqrt": 0, "reduce_mean": 0},
}
INT8 = {"bert": 25}  # what must run in int8 besides: the least signal to noise in dB
# exporter: options; the batch is left open in one of them
WRITTEN_OUT = ["mobilenet", "bert"]  # of opset 13 only what is written out there; the exporter refuses the encoder
EXPORTERS = {
    "tracer, opset 13": {"dynamo": False, "opset_version": 13},
    "tracer, opset 14": {"dynamo": False, "opset_version": 14},
    "tracer, opset 17, open batch": {"dynamo": False, "opset_version": 17, "dynamic_axes": {"x": {0: "batch"}}},
    "dynamo, opset 18": {"dynamo": True, "opset_version": 18},
}


def available():
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        print("not tested: the exporter dynamo, which needs the Python package onnxscript")
        return {k: v for k, v in EXPORTERS.items() if not v["dynamo"]}
    return EXPORTERS


def recognized(intaglio, name, path):
    layers = json.loads(models.run([intaglio, "inspect", path, "--json"]))["layers"]
    have = collections.Counter(layer["op"] for layer in layers)
    wrong = {op: have[op] for op, n in OPERATIONS.get(name, {}).items() if have[op] != n}
    if wrong:
        print(f"{name}: operations {wrong}, expected {OPERATIONS[name]}")
    floats = [layer["name"] for layer in layers if layer["op"].startswith("linear") and layer["precision"] != "int8"] if name in INT8 else []
    if floats:
        print(f"{name}: not in int8: {floats}")
    return not wrong and not floats


def int8(intaglio, name, path, model, sample):
    calibration, data, out = (path.parent / n for n in ("c.npy", "x.npy", "q.npy"))
    np.save(calibration, torch.cat([sample() for _ in range(100)]).numpy())
    models.run([intaglio, "compile", path, "--quiet", "--calibration", calibration, "-o", path.parent / "m.o"])
    models.run([intaglio, "run", path, "--quiet", "--engine", "native", "--calibration", calibration, "--data", data, "-o", out])
    theirs = model(torch.from_numpy(np.load(data))).detach().numpy()
    noise = np.load(out).reshape(theirs.shape) - theirs
    ratio = 10 * math.log10((theirs**2).sum() / (noise**2).sum())
    print(f"{name:10} int8: signal to noise {ratio:.1f} dB")
    return ratio >= INT8[name]


def exports(intaglio, path, sample):
    """What `export` writes imports back to the same bytes."""
    calibration, data, q = (path.parent / n for n in ("c.npy", "x.npy", "q.onnx"))
    np.save(calibration, torch.cat([sample() for _ in range(100)]).numpy())
    models.run([intaglio, "export", path, "--quiet", "--calibration", calibration, "-o", q])
    models.run([intaglio, "run", path, "--quiet", "--engine", "native", "--calibration", calibration, "--data", data, "-o", path.parent / "a.npy"])
    models.run([intaglio, "run", q, "--quiet", "--engine", "native", "--data", data, "-o", path.parent / "b.npy"])
    same = (path.parent / "a.npy").read_bytes() == (path.parent / "b.npy").read_bytes()
    if not same:
        print("the exported model gives other bytes")
    return same


def check(intaglio, name, exporter, options):
    torch.manual_seed(1)
    make, sample = CASES[name]
    model = make().eval()
    with tempfile.TemporaryDirectory() as tmp:
        path, data, out = (pathlib.Path(tmp, n) for n in ("m.onnx", "x.npy", "y.npy"))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            torch.onnx.export(model, (sample(),), str(path), input_names=["x"], output_names=["y"], **options)
        x = [sample() for _ in range(3)]
        np.save(data, torch.cat(x).numpy())
        models.run([intaglio, "run", path, "--quiet", "--engine", "float", "--data", data, "-o", out])
        theirs = np.concatenate([model(v).detach().numpy() for v in x])
        off = np.abs(np.load(out).reshape(theirs.shape) - theirs).max()
        good = recognized(intaglio, name, path) and off <= LIMIT and (name not in INT8 or int8(intaglio, name, path, model, sample))
        if options["opset_version"] == 13 and name == "mobilenet":
            good &= exports(intaglio, path, sample)
    print(f"{name:10} {exporter:30} largest difference {off:.3g}{'' if good else '   FAILED'}", flush=True)
    return good


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    results = [check(sys.argv[1], name, exporter, options) for exporter, options in available().items()
               for name in (WRITTEN_OUT if options["opset_version"] == 13 else CASES)]
    print(f"{sum(results)} of {len(results)} agree")
    return 0 if all(results) else 1


sys.exit(main())
