#!/usr/bin/env python3
"""Our compiled objects beside ONNX Runtime's and OpenVINO's int8, and LiteRT's and PyTorch's where they can be had, one thread on one CPU (--threads: several on as many), interleaved in
one run.

ONNX Runtime quantizes the float ONNX model (static, QDQ, per channel, u8 activations, s8 weights, min-max over 100 samples); OpenVINO runs that same file.
resnet50 and mobilenetv2 are those of bench/models.py, with random weights: for speed alone. LiteRT (XNNPACK) runs the official int8 file of a model, where
there is one. Names with a + are the networks of the shared graphs/models.py (bench/graphs.py), which PyTorch exports for us and for the peers, and quantizes for
itself (x86 backend).
The peers are called through their Python bindings without copies (I/O bindings, shared buffers); what such a call costs with a model that does nothing is
measured in the same run and subtracted from their times ("net"), so that the comparison does not count Python against them. Ours is timed in C, whole. Ratios are of medians, and of the shortest calls, which
other work on the machine disturbs least.

peers.py --intaglio PROGRAM [--models kws,resnet8] [--threads N] [--rounds N] [--json]"""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

import numpy as np
import onnxruntime as ort
import openvino as ov
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import graphs
import models
from common import ROOT, Model, Peak, pin, shared_folder
from engines import LiteRt, OpenVino, Ort, Torch, identity


def nchw(images, scale=1.0):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(scale)


def cifar(images):
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return nchw((images / np.float32(255) - mean) / std)


# name: (example, ONNX file, calibration file and slice, the peers' preprocessing, file and first sample of the test)
MODELS = {
    "kws": ("kws", "kws/model.onnx", "kws/calib.npy", 0, lambda x: x, "kws/test.npy", 0),
    "resnet8": ("resnet8", "cifar10/resnet8_bn.onnx", "cifar10/calib_images.npy", 0, nchw, "cifar10/test_images.npy", 0),
    "resnet20": ("resnet20", "cifar10/resnet20.onnx", "cifar10/calib_images.npy", 0, cifar, "cifar10/test_images.npy", 0),
    "vww": ("vww", "vww/model_bn.onnx", "vww/photos_calib50_test250.npy", 0, lambda x: nchw(x, 255), "vww/photos_calib50_test250.npy", 50),
    "ad": ("ad", "ad/model.onnx", "ad/calib.npy", 0, lambda x: x, "ad/test.npy", 0),
}
LITERT = {"kws": "kws/kws_int8_official.tflite", "resnet8": "cifar10/resnet8_int8_official.tflite", "vww": "vww/vww_int8_official.tflite",
          "ad": "ad/ad_int8_official.tflite", "mobilenetv2": "imagenet/mobilenetv2_ptq_official.tflite"}
SAMPLES = {"vww": 50}  # for calibration; 100 otherwise
LARGE_SAMPLES = 8      # for calibration of the networks with random weights
CHECKED = 40           # test samples whose answers are compared


class Reader(CalibrationDataReader):
    def __init__(self, name, samples):
        self.rows = iter([{name: s[None]} for s in samples])

    def get_next(self):
        return next(self.rows, None)


def times(peer, calls, cpu):
    us, clock = [], time.process_time_ns if cpu else time.perf_counter_ns
    for _ in range(calls):
        start = clock()
        peer.call()
        us.append((clock() - start) * 1e-3)
    return us


def quantized(folder, source, samples):
    prepared, result = folder / "prepared.onnx", folder / "int8.onnx"
    quant_pre_process(str(source), str(prepared))
    name = ort.InferenceSession(str(prepared), providers=["CPUExecutionProvider"]).get_inputs()[0].name
    quantize_static(str(prepared), str(result), Reader(name, samples), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return result


def is_large(name):
    return name in models.NETWORKS or name in ("resnet50+", "mobilenetv2+", "bert+")


def example(name, args, folder):
    """Of a model with its data: ours, the peers' float model, calibration and test samples, the peers' preprocessing."""
    source, model, calibration, first, prepare, test, start = MODELS[name]
    if not shared_folder().exists():
        raise SystemExit(f"no {shared_folder()}; set IG_SHARED")
    data, n = shared_folder(), SAMPLES.get(name, 100)
    calib, samples = np.load(data / calibration)[first : first + n], np.load(data / test)[start : start + CHECKED]
    ours = Model(args.intaglio, ROOT / "examples" / source / "model.ig", ["--calibration", data / calibration, "--calibration-samples", f"{first}:{first + n}"],
                 threads=args.threads)
    return ours, data / model, prepare(calib), samples, prepare


def network(name, args, folder):
    source, model = models.build(args.folder or folder, name)
    x = models.samples(LARGE_SAMPLES + 1)
    np.save(folder / "calib.npy", x[:LARGE_SAMPLES])
    return Model(args.intaglio, source, ["--calibration", folder / "calib.npy"], threads=args.threads), model, x[:LARGE_SAMPLES], x[LARGE_SAMPLES:], lambda s: s


def graph(name, args, folder):
    """Of the shared graphs: with the network as PyTorch has it."""
    module, source = graphs.build(args.folder or folder, name)
    x = graphs.samples(name, LARGE_SAMPLES + 1)
    np.save(folder / "calib.npy", x[:LARGE_SAMPLES])
    ours = Model(args.intaglio, source, ["--calibration", folder / "calib.npy"], threads=args.threads)
    return ours, source, x[:LARGE_SAMPLES], x[LARGE_SAMPLES:], lambda s: s, Torch(graphs.quantized(module, x[:LARGE_SAMPLES]), args.threads)


def engines(name, args, folder):
    """Ours, the peers, test samples and the peers' preprocessing."""
    official = shared_folder() / LITERT.get(name.rstrip("+"), "none")
    ours, model, calib, samples, prepare, *more = (graph if name.endswith("+") else network if name in models.NETWORKS else example)(name, args, folder)
    path = quantized(folder, model, calib)
    peers = [Ort(path, args.threads), OpenVino(path, args.threads), *more]
    if official.exists():
        peers.append(LiteRt(official, args.threads))
    return ours, peers, samples, prepare


def compare(name, args, folder):
    ours, peers, samples, prepare = engines(name, args, folder)
    calls = max(1, args.calls // 10) if is_large(name) else args.calls
    empty = [e for e in (p.empty(folder) for p in peers) if e]
    answers = {p.name: [] for p in peers} | {"intaglio": []}
    for s in samples:
        ours.times(s[None], 1)
        answers["intaglio"].append(ours.output.copy())
        for p in peers:
            p.bind(np.ascontiguousarray(prepare(s[None])))
            p.call()
            answers[p.name].append(p.answer().copy())
    us = {"intaglio": []} | {p.name: [] for p in peers} | {f"{p.name}, empty": [] for p in empty}
    for _ in range(args.rounds + 1):
        us["intaglio"].append(ours.times(samples[:1], calls, args.cpu_time))
        for p in peers:
            us[p.name].append(times(p, calls, args.cpu_time))
        for p in empty:
            us[f"{p.name}, empty"].append(times(p, calls, args.cpu_time))
    return summarize(name, us, answers)


def summarize(name, us, answers):
    """The first round warms up. A ratio is the median over the rounds of the ratio of the rounds' medians."""
    medians = {k: [statistics.median(r) for r in rounds[1:]] for k, rounds in us.items()}
    result = {"model": name, "engines": {}}
    for k in answers:
        cost = medians.get(f"{k}, empty", [0.0] * len(medians[k]))
        net = [m - c for m, c in zip(medians[k], cost)]
        result["engines"][k] = {
            "median_us": statistics.median(medians[k]), "call_us": statistics.median(cost), "net_us": statistics.median(net),
            "samples": len(answers[k]), "min_us": min(min(r) for r in us[k][1:]),
            "ratio": statistics.median([a / b for a, b in zip(medians["intaglio"], net)]),
        }
        result["engines"][k]["ratio_of_mins"] = min(min(r) for r in us["intaglio"][1:]) / (result["engines"][k]["min_us"] - statistics.median(cost))
        if (len(answers[k][0]) < 100 and name != "ad+") or name in models.NETWORKS:  # a classifier of the same weights
            result["engines"][k]["agree"] = sum(int(a.argmax() == b.argmax()) for a, b in zip(answers[k], answers["intaglio"]))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--intaglio", default="build/intaglio")
    parser.add_argument("--models", default="kws,resnet8,resnet20,vww,ad,resnet50,mobilenetv2")
    parser.add_argument("--threads", type=int, default=1, help="of every engine, on as many CPUs")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=50, help="of each engine in a round (large networks: a tenth)")
    parser.add_argument("--cpu-time", action="store_true", help="of the process instead of the clock's, for machines that have other work")
    parser.add_argument("--folder", type=pathlib.Path, help="keep the files of the networks with random weights here")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    pin(args.threads)
    top = Peak().measure()
    results = []
    for name in args.models.split(","):
        with tempfile.TemporaryDirectory() as temp:
            results.append(compare(name, args, pathlib.Path(temp)))
    if args.json:
        print(json.dumps({"cpu": top["cpu"], "ghz": top["ghz"], "threads": args.threads, "models": results}, indent=1))
        return
    print(f"{top['cpu']}, {top['ghz']:.2f} GHz, {args.threads} thread{'s' if args.threads > 1 else ''}{', CPU time' if args.cpu_time else ''}; onnxruntime {ort.__version__}, openvino {ov.__version__.split('-')[0]}; {args.rounds} rounds of {args.calls} calls")
    print(f"{'model':<12}{'engine':<18}{'median us':>10}{'call us':>9}{'net us':>9}{'min us':>9}{'ours / it':>11}{'of mins':>9}{'same answer':>13}")
    for r in results:
        for engine, e in r["engines"].items():
            agree = f"{e['agree']}/{e['samples']}" if "agree" in e else "-"
            print(f"{r['model']:<12}{engine:<18}{e['median_us']:>10.1f}{e['call_us']:>9.1f}{e['net_us']:>9.1f}{e['min_us']:>9.1f}{e['ratio']:>11.2f}{e['ratio_of_mins']:>9.2f}{agree:>13}")


if __name__ == "__main__":
    main()
