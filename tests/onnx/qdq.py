#!/usr/bin/env python3
"""Models that ONNX Runtime's quantize_static made of the real ones, imported without calibration: integers against ONNX Runtime's. And our own quantized
models exported as QDQ: onnx.checker takes them, ONNX Runtime computes the same integers, and they import back to the same bytes.

qdq.py INTAGLIO PART..., PART of qdq.MODEL or export.MODEL. ONNX Runtime runs s8 models on s8 (session.qdqisint8allowed), as it does by default on Arm; by
default its x86 build runs those convolutions in float whose results have several readers."""
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import qdq_models  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402

import models  # noqa: E402

EQUAL = 0.999  # of the bytes of the last tensor of integers


def image(scale, mean=None, std=None):
    return models._image(scale, mean, std)


def crop(x):
    return np.ascontiguousarray(x[:, 1:225, 1:225].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1)


# file, calibration samples, test samples, slices of them, preprocessing
REAL = {
    "kws": ("kws/model.onnx", "kws/calib.npy", "kws/test.npy", slice(0, 50), slice(0, 100), lambda x: x),
    "resnet8": ("cifar10/resnet8_bn.onnx", "cifar10/calib_images.npy", "cifar10/test_images.npy", slice(0, 50), slice(0, 100), image(1)),
    "resnet20": ("cifar10/resnet20.onnx", "cifar10/calib_images.npy", "cifar10/test_images.npy", slice(0, 50), slice(0, 100),
                 image(255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
    "vww": ("vww/model.onnx", "vww/photos_calib50_test250.npy", "vww/photos_calib50_test250.npy", slice(0, 50), slice(50, 150), image(255)),
    "mobilenetv2": ("imagenet/mobilenetv2.onnx", "imagenet/calib_images.npy", "imagenet/test_images.npy", slice(0, 20), slice(0, 10), crop),
    "ad": ("ad/model.onnx", "ad/calib.npy", "ad/test.npy", slice(0, 50), slice(0, 96), lambda x: x),
}


def session(model, s8=False):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if s8:
        options.add_session_config_entry("session.qdqisint8allowed", "1")
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def last_quantizer(model):
    constants = {t.name for t in model.graph.initializer}
    return [n for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in constants][-1].output[0]


def cut(path, to, kind):
    """The model up to its last tensor of integers, which becomes the output."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last_quantizer(model), kind, None))
    onnx.save(model, to)
    return model


def native(intaglio, model, data, out, *options):
    models.run([intaglio, "run", model, "--data", data, "-o", out, "--engine", "native", "--quiet", *options])
    return np.load(out)


def peers(sess, x):
    name = sess.get_inputs()[0].name
    return np.concatenate([sess.run(None, {name: row[None]})[0] for row in x])


def compare(what, ours, theirs, least):
    ours = ours.reshape(theirs.shape)
    differ = int((ours != theirs).sum())
    rows = len(theirs)
    same = float((ours.reshape(rows, -1).argmax(1) == theirs.reshape(rows, -1).argmax(1)).mean())
    ok = differ <= (1 - least) * theirs.size and ours.dtype == theirs.dtype and same == 1
    print(f"{what:28} {theirs.size:8} {theirs.dtype} values, {differ} differ, same answer {100 * same:.1f} %{'' if ok else '   FAILED'}", flush=True)
    return ok


def test_qdq(intaglio, name, folder, tmp):
    source, calib, test, first, second, prepare = REAL[name]
    calib, test = prepare(np.load(folder / calib)[first]), prepare(np.load(folder / test)[second])
    np.save(tmp / "in.npy", test)
    ok = True
    for kind in ("u8", "s8"):
        path = qdq_models.make(folder / source, calib, tmp / f"{kind}.onnx", kind)
        model = cut(path, tmp / "cut.onnx", onnx.TensorProto.UINT8 if kind == "u8" else onnx.TensorProto.INT8)
        ours = native(intaglio, tmp / "cut.onnx", tmp / "in.npy", tmp / "out.npy")
        ok &= compare(f"{name} {kind}", ours, peers(session(model, kind == "s8"), test), EQUAL)
        # the printed graph reads back to the same object
        for part, source_of in (("a", path), ("b", tmp / "a" / "m.ir")):
            (tmp / part).mkdir(exist_ok=True)
            models.run([intaglio, "compile", source_of, "-o", tmp / part / "m", "--emit", "obj,ir", "--quiet", "--verify"])
        if (tmp / "a" / "m.o").read_bytes() != (tmp / "b" / "m.o").read_bytes():
            print(f"{name} {kind}: the object of the printed graph differs   FAILED")
            ok = False
    return ok


# ONNX Runtime adds in float after a convolution it also runs in float: the last bits of sums differ
EXPORT_LEAST = {"resnet8": 0.99, "resnet20": 0.98}


def test_export(intaglio, name, folder, tmp):
    m = next(m for m in models.MODELS if m.name == name)
    calibration = ["--calibration", folder / m.calib, "--calibration-samples", m.calib_slice or "0:50"]
    out = tmp / "export.onnx"
    models.run([intaglio, "export", m.path, "-o", out, "--quiet", *calibration])
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    test = models.take(np.load(folder / m.test), m.test_slice)[:50]
    np.save(tmp / "in.npy", test)
    direct = native(intaglio, m.path, tmp / "in.npy", tmp / "direct.npy", *calibration)
    back = native(intaglio, out, tmp / "in.npy", tmp / "back.npy")
    ok = direct.tobytes() == back.tobytes()
    print(f"{name:28} imported back: {'the same bytes' if ok else 'other bytes   FAILED'}")
    cut(out, tmp / "cut.onnx", onnx.TensorProto.UINT8)
    ours = native(intaglio, tmp / "cut.onnx", tmp / "in.npy", tmp / "out.npy")
    theirs = peers(session(onnx.load(tmp / "cut.onnx")), test)
    differ = int((ours.reshape(theirs.shape) != theirs).sum())
    enough = differ <= (1 - EXPORT_LEAST.get(name, 1)) * theirs.size
    print(f"{name:28} ONNX Runtime on the export: {theirs.size} integers, {differ} differ{'' if enough else '   FAILED'}")
    return ok and enough


def main():
    intaglio, parts = sys.argv[1], sys.argv[2:]
    folder = models.data_folder()
    ok = True
    for part in parts:
        kind, name = part.split(".")
        with tempfile.TemporaryDirectory() as tmp:
            ok &= (test_qdq if kind == "qdq" else test_export)(intaglio, name, folder, Path(tmp))
    sys.exit(0 if ok else 1)


main()
