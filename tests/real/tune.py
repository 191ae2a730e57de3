"""tune on real models. resnet20 with 4-bit weights allowed: a front of at least six mixes, of which each block gives its figures again in eval and
compile. The autoencoder: a mix at most 10 % slower than all layers in int8, whose outputs and scores are clearly nearer to the float model's than those of
the official int8 file.

tune.py INTAGLIO [--full]: --full takes all samples of resnet20 instead of a slice, the accuracy as metric, and prints the table."""
import json
import os
import sys
import tempfile
from pathlib import Path

import models

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)
    return condition


def resnet20(intaglio, data, tmp, full):
    path, state = models.SOURCE / "examples/resnet20/model.ig", tmp / "state"
    models.run([intaglio, "calibrate", path, data / "cifar10/calib_images.npy", "--samples", "0:500" if full else "0:100", "-o", state, "--quiet"])
    samples = ["--calibration", state, "--data", data / "cifar10/test_images.npy", "--labels", data / "cifar10/test_labels.npy"]
    samples += [] if full else ["--samples", "0:40", "--metric", "mse"]
    size = ["--state", os.environ.get("IG_TUNE_STATE", tmp / "tune")] if full else ["--steps", "5", "--alone-samples", "4"]
    command = [intaglio, "tune", path, *samples, "--precisions", "int8,float32,float16,s8,s4" if full else "int8,s4", "--max-loss", "0.1%" if full else "1%",
               "--front", tmp / "front", "-o", tmp / "best.ig", *size]
    said = json.loads(models.run([*command, "--json"]))
    if full:
        print(models.run(command))
    check(len(said["front"]) >= 6, f"resnet20: {len(said['front'])} points on the front")
    for i, p in enumerate([said["chosen"], *said["front"]]):
        block = tmp / "best.ig" if i == 0 else tmp / "front" / f"{i:02}.ig"
        again = json.loads(models.run([intaglio, "eval", path, *samples, "--qconfig", block, "--engine", "float,native", "--max-loss", "100%", "--json"]))
        for name in ("loss", "loss_interval", "agreement", "sqnr_db"):
            check(again[name] == p[name], f"resnet20, point {i}: {name} {again[name]}, tune said {p[name]}")
        if not full and 1 < i < len(said["front"]):
            continue
        made = json.loads(models.run([intaglio, "compile", path, "--calibration", state, "--qconfig", block, "-o", tmp / "made", "--json"]))
        check(made["weight_bytes"] == p["bytes"], f"resnet20, point {i}: {made['weight_bytes']} bytes of constants, tune said {p['bytes']}")
    for a, b in zip(said["front"], said["front"][1:]):
        better = a["loss_interval"][1] < b["loss_interval"][1] if full else a["loss"] < b["loss"]
        check(a["bytes"] > b["bytes"] and better, "resnet20: the front is no front")
    first, last = said["front"][0], said["front"][-1]
    print(f"resnet20: {said['measured']} mixes measured, {len(said['front'])} on the front, from {first['bytes']} bytes and {first['sqnr_db']:.2f} dB to "
          f"{last['bytes']} bytes and {last['sqnr_db']:.2f} dB; each block gives its figures again")


def official(data, x):
    """Outputs of the official int8 file, dequantized, and of its float twin; None without LiteRT."""
    import numpy as np
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as e:
        print(f"SKIP: the Python package {e.name} is missing [peers]")
        return None
    outputs = []
    for name in ("ad_float.tflite", "ad_int8_official.tflite"):
        it = Interpreter(str(data / "ad" / name))
        it.allocate_tensors()
        i, o = it.get_input_details()[0], it.get_output_details()[0]
        rows = []
        for row in x:
            s, z = i["quantization"]
            it.set_tensor(i["index"], (np.clip(np.round(row / s + z), -128, 127).astype(np.int8) if s else row)[None])
            it.invoke()
            y, (s, z) = it.get_tensor(o["index"])[0], o["quantization"]
            rows.append((y.astype(np.float64) - z) * s if s else y.astype(np.float64))
        outputs.append(np.array(rows))
    return outputs


def figures(x, exact, y):
    """SQNR of the outputs in dB, correlation of the scores."""
    import numpy as np
    score = [((v - x) ** 2).mean(1) for v in (exact, y)]
    return 10 * np.log10((exact**2).sum() / ((exact - y) ** 2).sum()), np.corrcoef(*score)[0, 1], np.abs(score[0] - score[1]).max()


def ad(intaglio, data, tmp):
    import numpy as np
    path, x = models.SOURCE / "examples/ad/model.ig", np.load(data / "ad/test.npy").astype(np.float64)
    samples = ["--calibration", data / "ad/calib.npy", "--data", data / "ad/test.npy"]
    said = json.loads(models.run([intaglio, "tune", path, *samples, "--max-latency", "110%", "-o", tmp / "ad.ig", "--steps", "12", "--json"]))
    ratio = said["chosen"]["ms"] / (said["budget"]["ms"] / 1.1)
    check(ratio <= 1.1, f"ad: {ratio:.3f} times the time of all layers in int8")
    models.run([intaglio, "run", path, *samples, "--qconfig", tmp / "ad.ig", "--engine", "native", "-o", tmp / "y.npy"])
    models.run([intaglio, "run", path, *samples, "--engine", "float", "-o", tmp / "float.npy"])
    ours = figures(x, np.load(tmp / "float.npy").reshape(x.shape).astype(np.float64), np.load(tmp / "y.npy").reshape(x.shape).astype(np.float64))
    print(f"ad: {ratio:.3f} times the time of int8, SQNR {ours[0]:.2f} dB, scores' correlation with float {ours[1]:.6f}, largest difference {ours[2]:.4f}")
    check(abs(ours[0] - said["chosen"]["sqnr_db"]) < 1e-3, f"ad: tune said {said['chosen']['sqnr_db']} dB")
    peer = official(data, x.astype(np.float32))
    if peer:
        theirs = figures(x, *peer)
        print(f"ad: the official int8 file: SQNR {theirs[0]:.2f} dB, scores' correlation {theirs[1]:.6f}, largest difference {theirs[2]:.4f}")
        check(ours[0] > theirs[0] + 6 and 1 - ours[1] < (1 - theirs[1]) / 2, "ad: not clearly better than the official int8 file")


def main():
    intaglio, data = sys.argv[1], models.data_folder()
    with tempfile.TemporaryDirectory() as tmp:
        resnet20(intaglio, data, Path(tmp), "--full" in sys.argv)
        ad(intaglio, data, Path(tmp))
    return bool(failures)


if __name__ == "__main__":
    models.env.need()
    sys.exit(main())
