#!/usr/bin/env python3
"""Models exported by PyTorch's two exporters, with random weights: they import, and their float results are PyTorch's within 1e-4.

exported.py INTAGLIO"""
import contextlib
import io
import logging
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
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


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
    "shuffle": (Shuffle, lambda: torch.randn(1, 8, 8, 8)),
}
# exporter: options; the batch is left open in one of them
EXPORTERS = {
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
    print(f"{name:10} {exporter:30} largest difference {off:.3g}{'' if off <= LIMIT else '   FAILED'}", flush=True)
    return off <= LIMIT


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    results = [check(sys.argv[1], name, exporter, options) for exporter, options in available().items() for name in CASES]
    print(f"{sum(results)} of {len(results)} agree")
    return 0 if all(results) else 1


sys.exit(main())
