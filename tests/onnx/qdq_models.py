"""Models quantized by ONNX Runtime's quantize_static, made once for a folder: minmax, per-channel weights, QDQ."""
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))
import env  # noqa: E402

env.need("numpy", "onnx", "onnxruntime")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static  # noqa: E402
from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: E402


logging.getLogger().setLevel(logging.ERROR)


class Reader(CalibrationDataReader):
    def __init__(self, name, samples):
        self.rows = iter([{name: s[None]} for s in samples])

    def get_next(self):
        return next(self.rows, None)


def make(source, samples, path, activations):
    """activations: "u8" or "s8". The batch becomes 1."""
    model = onnx.load(source)
    name = model.graph.input[0].name
    for value in list(model.graph.input) + list(model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    plain = path.with_suffix(".float.onnx")
    onnx.save(model, plain)
    quant_pre_process(str(plain), str(plain), skip_symbolic_shape=True)
    kind = QuantType.QUInt8 if activations == "u8" else QuantType.QInt8
    quantize_static(str(plain), str(path), Reader(name, samples), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=kind,
                    weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax)
    plain.unlink()
    return path
