#!/usr/bin/env python3
"""Layers that quantize their input at run time, without calibration, on real models: kws (agreement with float), stories260K (perplexity), the autoencoder, whose
export ONNX Runtime computes bit for bit, as we do its own quantize_dynamic.

dynamic.py INTAGLIO"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import models

models.env.need("numpy", "onnx", "onnxruntime")
import numpy as np  # noqa: E402

failed = []


def check(text, ok):
    print(f"{text}{'' if ok else '   FAILED'}")
    if not ok:
        failed.append(text)


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    return done.stdout


def block(folder, *rules):
    path = folder / "rules.ig"
    path.write_text("quantize {\n  " + "\n  ".join(rules) + "\n}\n")
    return path


def evaluate(intaglio, model, rules, engines, data, labels):
    return json.loads(call(intaglio, "eval", model, "--qconfig", rules, "--engine", engines, "--data", data, "--labels", labels, "--json", "-q"))


def outputs(intaglio, folder, model, data, *options):
    call(intaglio, "run", model, "--data", data, "--engine", "native", "-q", "-o", folder / "y.npy", *options)
    return np.load(folder / "y.npy")


def differ(a, b):
    return int((a.reshape(b.shape).view(np.uint32) != b.view(np.uint32)).sum())


def autoencoder(intaglio, folder, data):
    """Its linear layers and rectifiers are all that there is: nothing is left to the last bit."""
    from onnxruntime.quantization import quantize_dynamic
    test, rules, ours = data / "ad/test.npy", block(folder, "default dynamic"), models.SOURCE / "examples/ad/model.ig"
    call(intaglio, "export", ours, "--qconfig", rules, "-q", "-o", folder / "ad.onnx")
    quantize_dynamic(data / "ad/model.onnx", folder / "theirs.onnx")
    want = outputs(intaglio, folder, ours, test, "--qconfig", rules)
    x = np.load(test)
    for name, file, bytes_ in (("our export", "ad.onnx", want), ("its quantize_dynamic", "theirs.onnx", outputs(intaglio, folder, folder / "theirs.onnx", test))):
        session = models.onnx_session(folder / file)
        got = np.concatenate([session.run(None, {session.get_inputs()[0].name: x[i : i + 1]})[0] for i in range(len(x))])
        check(f"ad, {name}: {differ(got, bytes_)} of {got.size} values differ from ONNX Runtime's", differ(got, bytes_) == 0)
    back = outputs(intaglio, folder, folder / "ad.onnx", test)
    check(f"ad, our export imported: {differ(back, want)} of {want.size} values differ", differ(back, want) == 0)


def main():
    intaglio, data = Path(sys.argv[1]).resolve(), models.data_folder()
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        r = evaluate(intaglio, models.SOURCE / "examples/kws/model.ig", block(folder, "default dynamic"), "float,native", data / "kws/test.npy", data / "kws/test_labels.npy")
        check(f"kws: top-1 {r['engines']['native']['top1']:.4f}, agreement {r['agreement']:.4f}", r["engines"]["native"]["top1"] >= 0.9 and r["agreement"] >= 0.99)
        r = evaluate(intaglio, data / "nlp/stories260K_s128.onnx", block(folder, "default skip", "type linear dynamic"), "float,reference",
                     data / "nlp/stories_tokens.npy", data / "nlp/stories_targets.npy")
        said = [r["engines"][e]["perplexity"] for e in ("float", "reference")]
        check(f"stories260K: perplexity {said[1]:.4f}, float {said[0]:.4f}", said[1] <= said[0] + 0.04)
        autoencoder(intaglio, folder, data)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
