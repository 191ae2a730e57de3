#!/usr/bin/env python3
"""Weights of few bits on real models: rounded to nearest, by GPTQ, by AWQ. stories260K is calibrated with stories that it tells itself (temperature 1, a
fixed seed), since the text that it is judged with must not be seen in calibration.

weights.py INTAGLIO            the bounds that hold, in seconds
weights.py INTAGLIO --table    the tables of docs/calibration.md"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import models

failed = []


def tell(data, stories, length=256, seed=7):
    """Stories of stories260K in windows of 128 tokens, as the text it is judged with: the model in NumPy, token by token, with keys and values kept."""
    import numpy as np
    from safetensors.numpy import load_file
    w, rng = load_file(data / "nlp/stories260K.safetensors"), np.random.default_rng(seed)
    heads, kept, size = 8, 4, 8
    angle = np.arange(length)[:, None] / 10000.0 ** (np.arange(0, size, 2) / size)
    cos, sin = np.cos(angle), np.sin(angle)

    def norm(x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight

    def turn(x, at):
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack([a * cos[at] - b * sin[at], a * sin[at] + b * cos[at]], -1).reshape(x.shape)

    tokens = np.ones((stories, length), np.int32)
    keys, values = (np.zeros((5, stories, heads, length, size)) for _ in range(2))
    for at in range(length - 1):
        x = w["tok_embeddings.weight"][tokens[:, at]].astype(np.float64)
        for i in range(5):
            p = f"layers.{i}."
            n = norm(x, w[p + "attention_norm.weight"])
            q, k, v = (n @ w[p + f"attention.w{c}.weight"].T for c in "qkv")
            q = turn(q.reshape(stories, heads, size), at)
            keys[i, :, :, at] = np.repeat(turn(k.reshape(stories, kept, size), at), 2, 1)
            values[i, :, :, at] = np.repeat(v.reshape(stories, kept, size), 2, 1)
            score = (keys[i, :, :, : at + 1] @ q[..., None])[..., 0] / np.sqrt(size)
            score = np.exp(score - score.max(-1, keepdims=True))
            read = ((score / score.sum(-1, keepdims=True))[..., None, :] @ values[i, :, :, : at + 1])[..., 0, :]
            x = x + read.reshape(stories, -1) @ w[p + "attention.wo.weight"].T
            n = norm(x, w[p + "ffn_norm.weight"])
            gate = n @ w[p + "feed_forward.w1.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * (n @ w[p + "feed_forward.w3.weight"].T)) @ w[p + "feed_forward.w2.weight"].T
        z = norm(x, w["norm.weight"]) @ w["tok_embeddings.weight"].T
        odds = np.exp(z - z.max(-1, keepdims=True)).cumsum(-1)
        tokens[:, at + 1] = (odds < rng.random((stories, 1)) * odds[:, -1:]).sum(-1)
    return tokens.reshape(-1, 128)


def evaluate(intaglio, tmp, model, rules, *options):
    """`intaglio eval` under the rules, as an object."""
    (tmp / "q.ig").write_text("quantize {\n" + "".join(f"  {r}\n" for r in rules) + "}\n")
    return json.loads(models.run([intaglio, "eval", model, "--qconfig", tmp / "q.ig", "--quiet", "--json", "--max-loss", "100%", *options]))


def stories(intaglio, data, tmp, rules):
    """Perplexity of stories260K on the story text."""
    if not (tmp / "told.npy").exists():
        import numpy as np
        np.save(tmp / "told.npy", tell(data, 32))
    calibration = ("--calibration", tmp / "told.npy") if len(rules) > 1 else ()
    r = evaluate(intaglio, tmp, data / "nlp/stories260K_s128.onnx", rules, *calibration, "--data", data / "nlp/stories_tokens.npy", "--labels",
                 data / "nlp/stories_targets.npy", "--engine", "float,reference")
    return r["engines"]["reference"]["perplexity"]


def resnet20(intaglio, data, tmp, rules, calibration="0:256", samples="0:1000"):
    """Accuracy, agreement with float, SQNR of the output."""
    folder = data / "cifar10"
    r = evaluate(intaglio, tmp, models.SOURCE / "examples/resnet20/model.ig", rules, "--calibration", folder / "calib_images.npy", "--calibration-samples",
                 calibration, "--data", folder / "test_images.npy", "--labels", folder / "test_labels.npy", "--samples", samples, "--engine", "float,native")
    return r["engines"]["native"]["top1"], r["agreement"], r["sqnr_db"]


def bound(name, value, limit, at_most):
    ok = value <= limit if at_most else value >= limit
    print(f"{name:56} {value:8.3f}  {'at most' if at_most else 'at least'} {limit:.3f}{'' if ok else '   FAILED'}")
    if not ok:
        failed.append(name)


# The integers -7..7, since the model has matrices of 1 and -1 (rotary embedding), which -8..7 with its divisor 7.5 spoils.
GROUPS = "default weight_only(weights: {}(s4, group: {}, quant_min: -7, quant_max: 7))"


def check(intaglio, data, tmp):
    bound("stories260K, int8", stories(intaglio, data, tmp, ["default weight_only(weights: minmax(s8))"]), 4.25, True)
    nearest = stories(intaglio, data, tmp, [GROUPS.format("mse", 32)])
    bound("stories260K, int4 by 32, to nearest", nearest, 4.7, False)
    bound("stories260K, int4 by 32, awq", stories(intaglio, data, tmp, [GROUPS.format("minmax", 32), "recover awq"]), 4.75, True)
    bound("stories260K, int4 by 32, gptq", stories(intaglio, data, tmp, [GROUPS.format("mse", 32), "recover gptq"]), 4.6, True)
    four = "default static(weights: mse(s8, quant_min: -8, quant_max: 7))"
    nearest, better = (resnet20(intaglio, data, tmp, [four, *more], "0:64", "0:200")[2] for more in ((), ("recover gptq",)))
    bound("resnet20, static with weights of 4 bits, dB by gptq", better - nearest, 6, False)


STORIES = ["minmax(s8)", "minmax(s4)", "mse(s4)", "minmax(s4, group: 32)", "mse(s4, group: 32)", "mse(s4, group: 32, quant_min: -7, quant_max: 7)",
           "mse(s4, group: 64, quant_min: -7, quant_max: 7)"]
RESNET20 = ["weight_only(weights: minmax(s4))", "weight_only(weights: mse(s4))", "static(weights: mse(s8, quant_min: -8, quant_max: 7))"]
METHODS = [(), ("gptq",), ("awq",), ("awq", "gptq")]


def table(intaglio, data, tmp):
    print("| weights | " + " | ".join(" + ".join(m) or "to nearest" for m in METHODS) + " |\n" + "| --- " * (1 + len(METHODS)) + "|")
    for weights in STORIES:
        row = (stories(intaglio, data, tmp, [f"default weight_only(weights: {weights})", *(f"recover {m}" for m in more)]) for more in METHODS)
        print(f"| `{weights}` | " + " | ".join(f"{p:.3f}" for p in row) + " |", flush=True)
    for config in RESNET20:
        row = (resnet20(intaglio, data, tmp, [f"default {config}", *(f"recover {m}" for m in more)]) for more in METHODS)
        print(f"| `{config}` | " + " | ".join(f"{100 * a:.1f} %, {100 * b:.1f} %, {c:.1f} dB" for a, b, c in row) + " |", flush=True)


def main():
    data = models.data_folder()
    with tempfile.TemporaryDirectory() as tmp:
        (table if "--table" in sys.argv else check)(sys.argv[1], data, Path(tmp))
    for name in failed:
        print("FAILED:", name)
    return 1 if failed else 0


if __name__ == "__main__":
    models.env.need("numpy", "safetensors")
    sys.exit(main())
