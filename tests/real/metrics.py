#!/usr/bin/env python3
"""The measures of eval on real models against what ONNX Runtime's float outputs give in NumPy and scikit-learn: accuracy (kws), AUC of the reconstruction
error (ad; half the windows disturbed), perplexity (stories260K); and their intervals against a bootstrap by NumPy. compare: the
error of a layer's weights alone.

metrics.py INTAGLIO"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import models

failed = []


def check(name, got, want, tolerance):
    ok = got is not None and abs(got - want) <= tolerance
    print(f"{name:36} {got:10.6f}  {want:10.6f}{'' if ok else '   FAILED'}")
    if not ok:
        failed.append(name)


def outputs(path, x):
    import numpy as np
    session = models.onnx_session(path)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[i : i + 1]})[0] for i in range(len(x))])


def bootstrap(n, statistic):
    import numpy as np
    draw = np.random.default_rng(5).integers(0, n, (2000, n))
    return np.quantile([statistic(d) for d in draw], [0.025, 0.975])


def evaluate(intaglio, *options):
    done = subprocess.run([intaglio, "eval", *map(str, options), "--json", "--quiet", "--engine", "float,reference"], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    r = json.loads(done.stdout)
    if (r["verdict"] == "fail") != (r["loss"] > 0.02) or (r["verdict"] == "fail") != (done.returncode == 3):
        failed.append(f"verdict {r['verdict']}, loss {r['loss']}, exit status {done.returncode}")
    return r


def check_intervals(name, said, low_high, tolerance):
    for i, end in enumerate(("low", "high")):
        check(f"{name} {end}", said[i], low_high[i], tolerance)


def kws(intaglio, data):
    import numpy as np
    x, label = np.load(data / "kws/test.npy"), np.load(data / "kws/test_labels.npy")
    hit = (outputs(data / "kws/model.onnx", x).argmax(1) == label).astype(float)
    r = evaluate(intaglio, models.SOURCE / "examples/kws/model.ig", "--calibration", data / "kws/calib.npy", "--data", data / "kws/test.npy",
                 "--labels", data / "kws/test_labels.npy")
    assert r["metric"] == "top1"
    check("kws top-1", r["engines"]["float"]["top1"], hit.mean(), 1e-9)
    check_intervals("kws top-1", r["engines"]["float"]["interval"], bootstrap(len(hit), lambda d: hit[d].mean()), 0.004)
    low, high = r["loss_interval"]
    if not low <= r["loss"] <= high or r["engines"]["float"]["interval"][1] - r["engines"]["float"]["interval"][0] <= high - low:
        failed.append("the paired interval of the loss is not the narrower one")


def ad(intaglio, data, tmp):
    import numpy as np
    from sklearn.metrics import roc_auc_score
    x, rng = np.load(data / "ad/test.npy"), np.random.default_rng(0)
    x = np.concatenate([x, x + rng.normal(0, 1, x.shape) * rng.uniform(0, 2, (len(x), 1))]).astype(np.float32)
    label = np.repeat([0, 1], len(x) // 2)
    np.save(tmp / "x.npy", x)
    np.save(tmp / "label.npy", label)
    score = ((outputs(data / "ad/model.onnx", x).astype(np.float64) - x) ** 2).mean(1)
    r = evaluate(intaglio, models.SOURCE / "examples/ad/model.ig", "--calibration", data / "ad/calib.npy", "--data", tmp / "x.npy", "--labels", tmp / "label.npy")
    assert r["metric"] == "auc"
    check("ad AUC", r["engines"]["float"]["auc"], roc_auc_score(label, score), 1e-4)
    check_intervals("ad AUC", r["engines"]["float"]["interval"], bootstrap(len(x), lambda d: roc_auc_score(label[d], score[d])), 0.008)
    check("ad loss", r["loss"], r["engines"]["float"]["auc"] - r["engines"]["reference"]["auc"], 1e-8)


def stories(intaglio, data):
    import numpy as np
    x, label = np.load(data / "nlp/stories_tokens.npy"), np.load(data / "nlp/stories_targets.npy")
    z = outputs(data / "nlp/stories260K_s128.onnx", x.astype(np.int64)).astype(np.float64)
    z -= z.max(-1, keepdims=True)
    z -= np.log(np.exp(z).sum(-1, keepdims=True))
    counted = label >= 0
    nll = np.where(counted, -np.take_along_axis(z, np.maximum(label, 0)[..., None], -1)[..., 0], 0).sum(1)
    r = evaluate(intaglio, data / "nlp/stories260K_s128.onnx", "--calibration", data / "nlp/stories_tokens.npy", "--data", data / "nlp/stories_tokens.npy",
                 "--labels", data / "nlp/stories_targets.npy")
    assert r["metric"] == "perplexity"
    check("stories260K perplexity", r["engines"]["float"]["perplexity"], np.exp(nll.sum() / counted.sum()), 1e-4)
    check("stories260K top-1", r["engines"]["float"]["top1"], (z.argmax(-1) == label)[counted].mean(), 1e-9)
    check("stories260K int8 perplexity", r["engines"]["reference"]["perplexity"], 4.26, 0.05)
    tokens = counted.sum(1)
    check_intervals("stories260K perplexity", r["engines"]["float"]["interval"], bootstrap(len(x), lambda d: np.exp(nll[d].sum() / tokens[d].sum())), 0.1)
    check("stories260K loss", r["loss"], r["engines"]["reference"]["perplexity"] / r["engines"]["float"]["perplexity"] - 1, 1e-6)


def weights_alone(intaglio, data):
    """The first layer of ad with weights rounded by NumPy (each row to -127..127 by its largest magnitude), on its float input."""
    import numpy as np
    from safetensors.numpy import load_file
    x, w = np.load(data / "ad/test.npy").astype(np.float64), load_file(data / "ad/weights.safetensors")
    weight, bias = w["fc1.weight"].astype(np.float32), w["fc1.bias"].astype(np.float64)
    scale = np.abs(weight).max(1, keepdims=True) / np.float32(127)
    rounded = np.clip(np.rint(weight / scale), -127, 127).astype(np.float64) * scale
    want, got = (np.maximum(x @ m.T.astype(np.float64) + bias, 0) for m in (weight, rounded))
    r = json.loads(models.run([intaglio, "compare", models.SOURCE / "examples/ad/model.ig", "--calibration", data / "ad/calib.npy", "--data",
                               data / "ad/test.npy", "--json", "--quiet"]))
    said = {layer["name"]: layer["weights_sqnr_db"] for layer in r["layers"]}
    check("ad fc1 weights alone, dB", said["fc1"], 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum()), 0.01)


def main():
    intaglio, data = sys.argv[1], models.data_folder()
    kws(intaglio, data)
    with tempfile.TemporaryDirectory() as tmp:
        ad(intaglio, data, Path(tmp))
    stories(intaglio, data)
    weights_alone(intaglio, data)
    for name in failed:
        print("FAILED:", name)
    return 1 if failed else 0


if __name__ == "__main__":
    models.env.need("numpy", "sklearn", "onnx", "onnxruntime", "safetensors")
    sys.exit(main())
