"""The peers as the benchmarks call them: a name, bind(x), call(), answer(), and an engine of the same kind that does nothing, whose time is that of a call."""
import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
from onnx import TensorProto, helper


def identity(folder):
    """A model that does nothing: what it takes is the cost of a call."""
    node = helper.make_node("Identity", ["x"], ["y"])
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 16]) for n in "xy"]
    model = helper.make_model(helper.make_graph([node], "identity", values[:1], values[1:]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = folder / "identity.onnx"
    onnx.save(model, path)
    return path


def bound(engine):
    engine.bind(np.zeros((1, 16), np.float32))
    return engine


class Ort:
    name = "onnxruntime int8"

    def __init__(self, path, threads=1):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.out = self.session.get_outputs()[0].name

    def bind(self, x):
        self.x = ort.OrtValue.ortvalue_from_numpy(x)
        self.binding = self.session.io_binding()
        self.binding.bind_ortvalue_input(self.input, self.x)
        shape = [d if isinstance(d, int) else 1 for d in self.session.get_outputs()[0].shape]
        self.y = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
        self.binding.bind_ortvalue_output(self.out, self.y)

    def call(self):
        self.session.run_with_iobinding(self.binding)

    def answer(self):
        return self.y.numpy().ravel()

    def empty(self, folder):
        return bound(Ort(identity(folder)))


class OpenVino:
    name = "openvino int8"

    def __init__(self, path, threads=1):
        core = ov.Core()
        model = core.read_model(str(path))
        model.reshape({model.input(0): [d.get_length() if d.is_static else 1 for d in model.input(0).partial_shape]})
        self.compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False})
        self.request = self.compiled.create_infer_request()

    def bind(self, x):
        self.request.set_input_tensor(ov.Tensor(x, shared_memory=True))

    def call(self):
        self.request.infer()

    def answer(self):
        return self.request.get_output_tensor(0).data.ravel()

    def empty(self, folder):
        return bound(OpenVino(identity(folder)))


class Torch:
    """A traced module."""
    name = "pytorch int8"

    def __init__(self, module, threads=1):
        import torch
        torch.set_num_threads(threads)
        self.torch, self.module = torch, module

    def bind(self, x):
        self.x = self.torch.from_numpy(x)

    def call(self):
        with self.torch.inference_mode():
            self.y = self.module(self.x)

    def answer(self):
        return self.y.numpy().ravel()

    def empty(self, folder):
        return bound(Torch(self.torch.jit.trace(self.torch.nn.Identity().eval(), self.torch.zeros(1, 16))))


class LiteRt:
    """A .tflite file of the network: the same layers, other weights. Its call is one function of C, with nothing to subtract."""
    name = "litert int8"

    def __init__(self, path, threads=1):
        from ai_edge_litert.interpreter import Interpreter
        self.interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]

    def bind(self, x):
        shape, dtype, (scale, zero) = self.input["shape"], self.input["dtype"], self.input["quantization"]
        x = x.transpose(0, 2, 3, 1) if x.ndim == 4 and tuple(x.shape) != tuple(shape) else x
        if dtype != np.float32:
            limits = np.iinfo(dtype)
            x = np.clip(np.rint(x / (scale or 1)) + zero, limits.min, limits.max)
        self.interpreter.set_tensor(self.input["index"], np.ascontiguousarray(x.reshape(shape).astype(dtype)))

    def call(self):
        self.interpreter.invoke()

    def answer(self):
        return self.interpreter.get_tensor(self.output["index"]).ravel()

    def empty(self, folder):
        return None
