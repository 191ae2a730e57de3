#!/usr/bin/env python3
"""The face detector, whose boxes are decoded in the graph: the int8 object's boxes agree with float's. detection.py INTAGLIO"""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
import models  # noqa: E402

models.env.need("numpy")
import numpy as np  # noqa: E402

SCORE, IOU, SHARE = 0.7, 0.9, 0.97


def iou(a, b):
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.clip(high - low, 0, None).prod(1)
    return both / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both)


def main():
    data = models.data_folder()
    model = data / "detection" / "face_rfb320.onnx"
    x = np.load(data / "detection" / "face_images.npy").transpose(0, 3, 1, 2).astype(np.float32)
    with tempfile.TemporaryDirectory() as tmp:
        samples = pathlib.Path(tmp, "x.npy")
        np.save(samples, np.ascontiguousarray((x - 127) / 128))
        result = {}
        for engine in ("float", "native"):
            out = pathlib.Path(tmp, f"{engine}.npz")
            models.run([sys.argv[1], "run", model, "--quiet", "--engine", engine, "--calibration", samples, "--data", samples, "-o", out])
            result[engine] = dict(np.load(out))
    faces = result["float"]["scores"].reshape(-1, 2)[:, 1] > SCORE
    overlap = iou(*(result[e]["boxes"].reshape(-1, 4)[faces] for e in ("float", "native")))
    share = (overlap >= IOU).mean()
    print(f"{faces.sum()} boxes over score {SCORE}: {100 * share:.1f} % overlap by {IOU} or more, {overlap.mean():.3f} on average; wanted {100 * SHARE:.0f} %")
    return 0 if faces.sum() > 100 and share >= SHARE else 1


sys.exit(main())
