#!/usr/bin/env python3
"""One preset for all five models, nothing skipped: accuracy and agreement with float at least what the project promises; the autoencoder's output
no noisier than that of ONNX Runtime's own int8 (quantize_static: QDQ, per channel, u8 x s8, min-max, the same calibration samples).

accuracy.py INTAGLIO [--table | --recovery]: --table measures every range method instead, --recovery the lines `recover`; they judge nothing. both have MobileNetV2 as well;
--only WORD[,WORD...] takes the rows whose names are given."""
import sys
import tempfile
from pathlib import Path

import models

BIASES = [[], ["equalize"], ["bias_correction"], ["empirical_bias"], ["equalize", "bias_correction"]]
# By weights: configuration, combinations of `recover` methods, whether only for the models with labels.
RECOVERY = {
    "per_tensor": ("static(weights: minmax(s8, per_tensor))", BIASES, False),
    "per_channel": ("static(weights: minmax(s8, per_channel))", BIASES, False),
    "4bit": ("static(weights: minmax(s8, per_channel, quant_min: -8, quant_max: 7))", [[], ["empirical_bias"], ["gptq"], ["adaround"], ["adaround", "empirical_bias"]], True),
}
# Range methods of activations, all else as in `default`; whole configurations; and `default` with the ranges chosen by the change of the output.
RANGES = ["mse", "minmax", "histogram", "entropy", "percentile(percentile: 99.9)", "percentile(percentile: 99.99)", "percentile(percentile: 99.999)", "moving_average"]
PRESETS = ["x86", "qnnpack", "onednn"]


def rows():
    for r in RANGES:
        yield r.replace("percentile(percentile: ", "percentile("), f"default static(activations: {r}, weights: minmax(s8, per_channel))"
    yield "output_ranges", "default default\n  recover output_ranges"
    for p in PRESETS:
        yield p, f"default {p}"


class MobileNetV2(models.Model):
    """From ONNX, its images cropped and scaled into `folder`."""

    def __init__(self, data, folder):
        import numpy as np
        for part in ("calib", "test"):
            x = np.load(data / "imagenet" / f"{part}_images.npy")[:, 1:225, 1:225].transpose(0, 3, 1, 2)
            np.save(folder / f"{part}.npy", x.astype(np.float32) / np.float32(127.5) - 1)
        np.save(folder / "labels.npy", np.load(data / "imagenet/test_labels.npy") + 1)
        super().__init__("mobilenetv2", "imagenet/mobilenetv2.onnx", folder / "calib.npy", folder / "test.npy", folder / "labels.npy")
        self.model = data / self.onnx

    @property
    def path(self):
        return self.model


def cell(r, engine="reference"):
    top1 = r["engines"][engine].get("top1")
    accuracy = f'{100 * top1:.1f} % ' if top1 is not None else ''
    return f"{accuracy}{100 * r['agreement']:.1f} % {r['sqnr_db']:.2f} dB"


def table(intaglio, data, only):
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        columns = [*models.MODELS, MobileNetV2(data, folder)]
        print(f"{'':20}" + "".join(f"{m.name:>26}" for m in columns))
        for name, rule in rows():
            if only and name not in only:
                continue
            rules = folder / "q.ig"
            rules.write_text(f"quantize {{\n  {rule}\n}}\n")
            print(f"{name:20}" + "".join(f"{cell(models.evaluate(intaglio, m, data, '--qconfig', rules)):>26}" for m in columns), flush=True)


def recovery(intaglio, data, only):
    """Rows by weights, then by methods; 4-bit weights of the three models with labels alone, and stories260K's perplexity by way of `smoothquant`. By compiled code,
    which gives the reference's bytes sooner."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        rules = folder / "q.ig"
        for weights, (config, methods, few) in RECOVERY.items():
            names = {" + ".join([weights, *lines]): lines for lines in methods}
            names = {name: lines for name, lines in names.items() if not only or weights in only or name in only}
            if not names:
                continue
            columns = models.MODELS[:3] if few else [*models.MODELS, MobileNetV2(data, folder)]
            print(f"{'':44}" + "".join(f"{m.name:>26}" for m in columns))
            for name, lines in names.items():
                rules.write_text(f"quantize {{\n  default {config}\n" + "".join(f"  recover {m}\n" for m in lines) + "}\n")
                row = "".join(f"{cell(models.evaluate(intaglio, m, data, '--qconfig', rules, engine='native'), 'native'):>26}" for m in columns)
                print(f"{name:44}{row}", flush=True)
        if not only or "stories260K" in only:
            smooth(intaglio, data, folder)


def smooth(intaglio, data, folder):
    """stories260K under `smoothquant`: perplexity, agreement, SQNR."""
    import numpy as np
    import weights
    np.save(folder / "told.npy", weights.tell(data, 32))
    for config in ("default", "default_dynamic"):
        for lines in ([], ["recover smoothquant"]):
            r = weights.evaluate(intaglio, folder, data / "nlp/stories260K_s128.onnx", [f"default {config}", "type mul skip", *lines], "--calibration", folder / "told.npy",
                                 "--data", data / "nlp/stories_tokens.npy", "--labels", data / "nlp/stories_targets.npy", "--engine", "float,reference")
            print(f"{' + '.join(['stories260K', config, *lines]):60}{r['engines']['reference']['perplexity']:8.4f} (float {r['engines']['float']['perplexity']:.4f}), "
                  f"{100 * r['agreement']:.1f} % {r['sqnr_db']:.2f} dB", flush=True)


def ort_int8_sqnr(model, data):
    import numpy as np
    from onnxruntime import quantization as q
    calib = model.prepare(models.take(np.load(data / model.calib), model.calib_slice))
    test = model.prepare(models.take(np.load(data / model.test), model.test_slice))
    session = models.onnx_session(data / model.onnx)
    name = session.get_inputs()[0].name

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.rest = iter(calib)

        def get_next(self):
            x = next(self.rest, None)
            return None if x is None else {name: x[None]}

    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp, "int8.onnx")
        q.quantize_static(str(data / model.onnx), str(out), Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True,
                          activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8, calibrate_method=q.CalibrationMethod.MinMax)
        quantized = models.onnx_session(out)
        a = np.concatenate([session.run(None, {name: x[None]})[0] for x in test]).astype(np.float64)
        b = np.concatenate([quantized.run(None, {name: x[None]})[0] for x in test]).astype(np.float64)
    return 10 * np.log10((a ** 2).sum() / ((a - b) ** 2).sum())


def main():
    intaglio, data = sys.argv[1], models.data_folder()
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else None
    if "--table" in sys.argv:
        return table(intaglio, data, only)
    if "--recovery" in sys.argv:
        return recovery(intaglio, data, only)
    failed = False
    for m in models.MODELS:
        r = models.evaluate(intaglio, m, data)
        got = {"top1": r["engines"]["reference"].get("top1"), "agreement": r["agreement"]}
        line = f"{m.name:10} {r['samples']:5} samples"
        if got["top1"] is not None:
            line += f", int8 {100 * got['top1']:.1f} % (float {100 * r['engines']['float']['top1']:.1f} %)"
        line += f", agreement {100 * got['agreement']:.1f} %, SQNR {r['sqnr_db']:.2f} dB"
        for what, least in m.targets.items():
            if got[what] is None or got[what] < least:
                failed = True
                line += f"   FAILED: {what} below {least}"
        print(line, flush=True)
        if m.name == "ad":
            try:
                theirs = ort_int8_sqnr(m, data)
            except ImportError as e:
                print(f"SKIP: the Python package {e.name} is missing [peers]")
                continue
            ok = r["sqnr_db"] >= theirs
            failed |= not ok
            print(f"{'':10} ONNX Runtime's int8: SQNR {theirs:.2f} dB{'' if ok else '   FAILED: ours is below'}")
    return failed


if __name__ == "__main__":
    models.env.need()
    sys.exit(main())
