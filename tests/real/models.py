"""The five real models: where they are, how the peers take their inputs, what they must reach."""
import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "oracle"))
import env  # noqa: E402


def data_folder():
    """The shared data beside the project; the test is skipped when it is missing."""
    folder = Path(os.environ.get("IG_SHARED", SOURCE.parent / "shared")) / "data"
    if not (folder / "README.md").exists():
        print(f"SKIP: no {folder.name}/ with models and samples beside the project [data]")
        sys.exit(77)
    # the models in examples/ name their weights from where they stand
    if folder.resolve() != (SOURCE.parent / "shared" / "data").resolve():
        print("SKIP: the examples' weights are not beside the project [data]")
        sys.exit(77)
    return folder


class Model:
    """One model: files relative to the data folder. logits: the value before the softmax, here and in the ONNX file (None: the output)."""

    def __init__(self, name, onnx, calib, test, labels=None, logits=None, onnx_logits=None, calib_slice=None, test_slice=None, prepare=None, targets=None):
        self.name, self.onnx, self.calib, self.test, self.labels = name, onnx, calib, test, labels
        self.logits, self.onnx_logits = logits, onnx_logits
        self.calib_slice, self.test_slice = calib_slice, test_slice
        self.prepare = prepare or (lambda x: x)
        self.targets = targets or {}

    @property
    def path(self):
        return SOURCE / "examples" / self.name / "model.ig"


def _image(scale, mean=None, std=None):
    def prepare(x):
        import numpy as np
        y = x.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(scale)
        if mean is not None:
            y = (y - np.array(mean, np.float32).reshape(1, 3, 1, 1)) / np.array(std, np.float32).reshape(1, 3, 1, 1)
        return np.ascontiguousarray(y)
    return prepare


MODELS = [
    Model("kws", "kws/model.onnx", "kws/calib.npy", "kws/test.npy", "kws/test_labels.npy", "fc", "logits",
          targets={"top1": 0.902, "agreement": 0.988}),
    Model("resnet8", "cifar10/resnet8_bn.onnx", "cifar10/calib_images.npy", "cifar10/test_images.npy", "cifar10/test_labels.npy", "dense", "dense",
          prepare=_image(1), targets={"top1": 0.878}),
    Model("resnet20", "cifar10/resnet20.onnx", "cifar10/calib_images.npy", "cifar10/test_images.npy", "cifar10/test_labels.npy", "linear",
          prepare=_image(255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), targets={"top1": 0.917}),
    Model("vww", "vww/model_bn.onnx", "vww/photos_calib50_test250.npy", "vww/photos_calib50_test250.npy", None, "dense", "dense", "0:50", "50:300",
          prepare=_image(255), targets={"agreement": 0.98}),
    Model("ad", "ad/model.onnx", "ad/calib.npy", "ad/test.npy", None, "fc10"),
]


def take(array, part):
    if not part:
        return array
    first, last = part.split(":")
    return array[int(first):int(last)]


def run(command, **kwargs):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    if r.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {r.returncode}\n{r.stderr}")
    return r.stdout


def evaluate(intaglio, model, data, *options, engine="reference"):
    """`intaglio eval` of the quantized model on an engine, as an object."""
    command = [intaglio, "eval", model.path, "--quiet", "--json", "--engine", f"float,{engine}", "--calibration", data / model.calib,
               "--data", data / model.test, "--max-loss", "100%"]
    if model.calib_slice:
        command += ["--calibration-samples", model.calib_slice, "--samples", model.test_slice]
    if model.labels:
        command += ["--labels", data / model.labels]
    return json.loads(run(command + list(options)))


def onnx_session(path, outputs=()):
    """A session on one thread; `outputs` are values inside the graph to be given as well."""
    import onnx
    import onnxruntime as ort
    m = onnx.load(path)
    have = {o.name for o in m.graph.output}
    for name in outputs:
        if name not in have:
            m.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])


def in_double(path):
    """The model with all its numbers as float64 (for Gemm and Relu, which ONNX Runtime has in double precision)."""
    import tempfile
    import onnx
    import numpy as np
    from onnx import numpy_helper
    m = onnx.load(path)
    for t in m.graph.initializer:
        t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))
    for v in [*m.graph.input, *m.graph.output]:
        v.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    del m.graph.value_info[:]
    with tempfile.TemporaryDirectory() as tmp:
        onnx.save(m, Path(tmp, "double.onnx"))
        return onnx_session(Path(tmp, "double.onnx"))
