#!/usr/bin/env python3
"""Every ONNX model of the shared data imports, and its float results are ONNX Runtime's within 1e-4 on every sample.

real.py INTAGLIO. The autoencoders amplify float32's rounding, ONNX Runtime's as well: their outputs must be about as near to the network in double
precision as ONNX Runtime's are (a sequential sum against a blocked one, batch norms folded into rounded weights: 1.75 times; measured 1.18 and 1.52)."""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
import models  # noqa: E402

models.env.need("numpy", "onnx", "onnxruntime")
import numpy as np  # noqa: E402

LIMIT = 1e-4


def nchw(scale, mean=0.0, std=1.0):
    def prepare(x):
        mean_, std_ = (np.array(v, np.float32).reshape(1, -1, 1, 1) for v in (mean, std))
        return np.ascontiguousarray((x.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(scale) - mean_) / std_)
    return prepare


def same(x):
    return x.astype(np.float32)


def crop(x):
    return nchw(127.5, 1.0)(x[:, 1:225, 1:225])


# model: samples, preparation, whether outputs are compared by way of double precision
CASES = {
    "ad/model.onnx": ("ad/test.npy", same, True),
    "ad/model_bn.onnx": ("ad/test.npy", same, True),
    "cifar10/resnet20.onnx": ("cifar10/test_images.npy", nchw(255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), False),
    "cifar10/resnet8.onnx": ("cifar10/test_images.npy", nchw(1), False),
    "cifar10/resnet8_bn.onnx": ("cifar10/test_images.npy", nchw(1), False),
    "detection/face_rfb320.onnx": ("detection/face_images.npy", nchw(128, 127 / 128), False),
    "imagenet/mobilenetv2.onnx": ("imagenet/test_images.npy", crop, False),
    "kws/model.onnx": ("kws/test.npy", same, False),
    "kws/model_official.onnx": ("kws/test.npy", same, False),
    "nlp/stories260K_s128.onnx": ("nlp/stories_tokens.npy", lambda x: x.astype(np.int64), False),
    "vww/model.onnx": ("vww/photos_calib50_test250.npy", nchw(255), False),
    "vww/model_bn.onnx": ("vww/photos_calib50_test250.npy", nchw(255), False),
}


def rms(x):
    return float(np.sqrt((x ** 2).mean()))


def check(intaglio, data, name):
    samples, prepare, by_double = CASES[name]
    x = prepare(np.load(data / samples))
    session = models.onnx_session(data / name)
    first = session.get_inputs()[0].name
    outputs = [o.name for o in session.get_outputs()]
    with tempfile.TemporaryDirectory() as tmp:
        file, out = pathlib.Path(tmp, "x.npy"), pathlib.Path(tmp, "out.npz")
        np.save(file, x)
        models.run([intaglio, "run", data / name, "--quiet", "--engine", "float", "--data", file, "-o", out])
        ours = dict(np.load(out))
    theirs = [session.run(outputs, {first: x[i:i + 1]}) for i in range(len(x))]
    worst = max(float(np.abs(ours[o][i].reshape(t.shape) - t).max()) for i, run in enumerate(theirs) for o, t in zip(outputs, run))
    line, ok = f"{name:28} {len(x):5} samples, largest difference {worst:.3g}", worst <= LIMIT
    if by_double:
        exact = models.in_double(data / name).run(None, {first: x.astype(np.float64)})[0]
        off = [rms(a.reshape(exact.shape) - exact) for a in (ours[outputs[0]], np.concatenate([run[0] for run in theirs]))]
        line += f"; from double precision: {off[0]:.3g}, ONNX Runtime {off[1]:.3g} (root mean square)"
        ok = off[0] <= 1.75 * off[1] and off[1] < 1e-4 * np.abs(exact).max()
    print(line + ("" if ok else "   FAILED"), flush=True)
    return ok


def main():
    intaglio, data = sys.argv[1], models.data_folder()
    there = {str(p.relative_to(data)) for p in data.glob("*/*.onnx")}
    if there != set(CASES):
        print(f"the shared models and the cases differ: {there ^ set(CASES)}   FAILED")
    wanted = sys.argv[2:] or sorted(there & set(CASES))
    ok = there == set(CASES)
    for name in wanted:
        ok &= check(intaglio, data, name)
    return 0 if ok else 1


sys.exit(main())
