"""The networks of the shared graphs/models.py, which earlier figures of the peers were measured on: random weights from PyTorch, exported to ONNX, and
quantized by PyTorch itself. A name ends with +, which tells them from those of bench/models.py."""
import importlib.util
import warnings

from common import shared_folder


def networks():
    path = shared_folder().parent / "graphs" / "models.py"
    if not path.exists():
        raise SystemExit(f"no {path}; set IG_SHARED")
    spec = importlib.util.spec_from_file_location("shared_graphs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(folder, name):
    """The module, and its .onnx in the folder."""
    import torch
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    shared, path = networks(), folder / f"{name}.onnx"
    module = shared.make(name.rstrip("+"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, shared.inp(name.rstrip("+")), str(path), opset_version=17, dynamo=False, input_names=["x"], output_names=["y"])
    return module, path


def samples(name, count):
    return networks().inp(name.rstrip("+"), count).numpy()


def quantized(module, calib):
    """PyTorch's static quantization for x86, traced and frozen."""
    import torch
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
    torch.backends.quantized.engine = "x86"
    x = [torch.from_numpy(s[None].copy()) for s in calib]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        prepared = prepare_fx(module, get_default_qconfig_mapping("x86"), (x[0],))
        for s in x:
            prepared(s)
        return torch.jit.freeze(torch.jit.trace(convert_fx(prepared).eval(), x[0]))
