#!/usr/bin/env python3
"""The float interpreter equals ONNX Runtime before the softmax within 1e-4 on every sample of the models that have one and of resnet20's logits.

The autoencoder amplifies float32's rounding: ONNX Runtime itself is farther than that from the same network in double precision. There the float
interpreter must be about as near to the network in double precision as ONNX Runtime is (a sequential sum against a blocked one: 1.5 times)."""
import sys
import tempfile
from pathlib import Path

import models

models.env.need("numpy", "onnx", "onnxruntime")
import numpy as np  # noqa: E402

LIMIT = 1e-4


def main():
    intaglio, data = sys.argv[1], models.data_folder()
    failed = False
    for m in models.MODELS:
        samples = models.take(np.load(data / m.test), m.test_slice)
        with tempfile.TemporaryDirectory() as tmp:
            options = ["--samples", m.test_slice] if m.test_slice else []
            models.run([intaglio, "run", m.path, "--quiet", "--engine", "float", "--data", data / m.test, "--dump-tensors", tmp, "-o", Path(tmp, "out.npy"), *options])
            ours = np.load(Path(tmp, f"{m.logits}.npy"))
        session = models.onnx_session(data / m.onnx, [m.onnx_logits] if m.onnx_logits else [])
        x = m.prepare(samples)
        theirs = np.concatenate([session.run([m.onnx_logits or session.get_outputs()[0].name], {session.get_inputs()[0].name: x[i:i + 1]})[0] for i in range(len(x))])
        if len(ours) != len(samples) or ours.size != theirs.size:
            print(f"{m.name}: {ours.shape} against {theirs.shape}")
            failed = True
            continue
        worst = np.abs(ours.reshape(theirs.shape) - theirs).reshape(len(x), -1).max(axis=1)
        line = f"{m.name:10} {len(x):5} samples, largest difference {worst.max():.3g} of values up to {np.abs(theirs).max():.3g}"
        if m.name == "ad":
            exact = models.in_double(data / m.onnx).run(None, {session.get_inputs()[0].name: x.astype(np.float64)})[0]
            ours_off, theirs_off = (np.sqrt(((a.reshape(exact.shape) - exact) ** 2).mean()) for a in (ours, theirs))
            ok = ours_off <= 1.5 * theirs_off and theirs_off < 1e-4 * np.abs(exact).max()
            line += f"; from double precision: {ours_off:.3g}, ONNX Runtime {theirs_off:.3g} (root mean square)"
        else:
            ok = bool((worst <= LIMIT).all())
        failed |= not ok
        print(line + ("" if ok else "   FAILED"), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
