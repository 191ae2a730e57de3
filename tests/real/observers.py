#!/usr/bin/env python3
"""Observers and presets against torch.ao's on the same tensors: minmax, moving_average, fixed, per-channel and symmetric schemes give equal scale and zero point; the
histogram search, fed torch's own histogram, gives equal ranges; from the data on, where the histograms differ, an error no larger than torch's. Prints a table of the presets.

Tensors: activations of kws and resnet8 when the data is there, and synthetic ones."""
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import models

models.env.need("numpy", "torch")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.ao.quantization as ao  # noqa: E402
from torch.ao.quantization import observer as obs  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


class Tool:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line, *arrays):
        self.p.stdin.write(line.encode() + b"\n")
        for a in arrays:
            self.p.stdin.write(np.ascontiguousarray(a, np.float32).tobytes())
        self.p.stdin.flush()
        return self.p.stdout.readline().decode().split()

    def range(self, line, *arrays):
        return tuple(np.float32(float.fromhex(w)) for w in self.ask(line, *arrays))

    def affine(self, lo, hi, qmin, qmax):
        s, z = self.ask(f"affine {float(lo).hex()} {float(hi).hex()} {qmin} {qmax}")
        return np.float32(float.fromhex(s)), int(z)

    def symmetric(self, lo, hi, qmin, qmax):
        return np.float32(float.fromhex(self.ask(f"symmetric {float(lo).hex()} {float(hi).hex()} {qmin} {qmax}")[0]))


def tensors(intaglio):
    """(name, samples x values) of activations and of synthetic distributions."""
    found = []
    data = Path(models.os.environ.get("IG_SHARED", models.SOURCE.parent / "shared")) / "data"
    for m in models.MODELS[:2]:
        if not (data / m.test).exists():
            print(f"SKIP: no activations of {m.name} without the shared data [data]")
            continue
        with tempfile.TemporaryDirectory() as tmp:
            models.run([intaglio, "run", m.path, "--quiet", "--engine", "float", "--data", data / m.test, "--samples", "0:20", "--dump-tensors", tmp, "-o", Path(tmp, "o.npy")])
            for f in sorted(Path(tmp).glob("*.npy")):
                x = np.load(f)
                if x.dtype == np.float32 and f.name != "o.npy" and x.size > 2000:
                    found.append((f"{m.name}/{f.stem}", x.reshape(len(x), -1)))
    rng = np.random.default_rng(3)
    for i in range(12):
        scale = 10.0 ** rng.uniform(-3, 3)
        x = [rng.normal(0.3, 1, (8, 5000)), np.maximum(rng.normal(0, 1, (8, 5000)), 0), rng.standard_t(3, (8, 5000)), -rng.exponential(1, (8, 5000))][i % 4]
        found.append((f"synthetic/{i}", (x * scale).astype(np.float32)))
    return found


class Count:
    def __init__(self):
        self.n, self.bad = {}, {}

    def check(self, what, ok, detail=""):
        self.n[what] = self.n.get(what, 0) + 1
        if not ok:
            self.bad[what] = self.bad.get(what, 0) + 1
            if self.bad[what] <= 3:
                print(f"{what}: {detail}")


def check_direct(tool, count, name, x):
    """Observers whose range is exact, over the samples in their order."""
    for what, o in (("minmax", obs.MinMaxObserver), ("moving_average", obs.MovingAverageMinMaxObserver)):
        for reduce in (False, True):
            t = o(dtype=torch.quint8, reduce_range=reduce)
            for sample in x:
                t(torch.from_numpy(sample.copy()))
            s, z = t.calculate_qparams()
            lo, hi = tool.range(f"observe {what} {len(x)} {x.shape[1]}", *x)
            got = tool.affine(lo, hi, 0, 127 if reduce else 255)
            count.check(what, got == (np.float32(s.item()), int(z.item())), f"{name}: torch {s.item()} {z.item()}, ours {got}")


def check_weights(tool, count, name, x):
    rows = x[:, :200]
    for qmin, qmax, reduce in ((-128, 127, False), (-64, 63, True), (-127, 127, False)):
        t = obs.PerChannelMinMaxObserver(ch_axis=0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, reduce_range=reduce,
                                         **({"quant_min": qmin, "quant_max": qmax} if qmin == -127 else {}))
        t(torch.from_numpy(rows.copy()))
        s, z = t.calculate_qparams()
        for c, row in enumerate(rows):
            got = tool.symmetric(row.min(), row.max(), qmin, qmax)
            count.check("per channel symmetric", got == np.float32(s[c].item()) and z[c].item() == 0, f"{name}: torch {s[c].item()}, ours {got}")
    t = obs.MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_affine)
    t(torch.from_numpy(x.copy()))
    s, z = t.calculate_qparams()
    got = tool.affine(x.min(), x.max(), -128, 127)
    count.check("s8 affine", got == (np.float32(s.item()), int(z.item())), f"{name}: torch {s.item()} {z.item()}, ours {got}")


def check_per_channel_average(tool, count, name, x):
    """MovingAveragePerChannelMinMaxObserver: of weights, which it sees once, and of values that come sample by sample, 8 channels of each."""
    samples = x[:, :min(x.shape[1] // 8, 100) * 8].reshape(len(x), 8, -1)
    for what, seen in (("once", samples[:1]), ("by samples", samples)):
        t = obs.MovingAveragePerChannelMinMaxObserver(ch_axis=0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric)
        for sample in seen:
            t(torch.from_numpy(sample.copy()))
        scale = t.calculate_qparams()[0]
        for c in range(8):
            lo, hi = tool.range(f"observe moving_average {len(seen)} {seen.shape[2]}", *seen[:, c])
            got = tool.symmetric(lo, hi, -128, 127)
            count.check(f"per channel moving average, {what}", got == np.float32(scale[c].item()), f"{name}: torch {scale[c].item()}, ours {got}")


def check_fixed(tool, count):
    """FixedQParamsObserver of sigmoid, softmax and tanh, as PyTorch's mappings have them: the results' parameters under its presets."""
    for op, theirs in (("sigmoid", ao.default_fixed_qparams_range_0to1_observer), ("tanh", ao.default_fixed_qparams_range_neg1to1_observer)):
        s, z = theirs().calculate_qparams()
        got = tool.ask(f"result {op}")
        count.check("fixed", np.float32(float.fromhex(got[0])) == np.float32(s.item()) and int(got[1]) == int(z.item()), f"{op}: torch {s.item()} {z.item()}, ours {got}")


def check_schemes(tool, count, name, x):
    """Types, schemes, limits, reduce_range: as MinMaxObserver has them."""
    for dtype, ours in ((torch.quint8, "u8"), (torch.qint8, "s8"), (torch.int16, "s16")):
        for scheme, word in ((torch.per_tensor_affine, "affine"), (torch.per_tensor_symmetric, "symmetric")):
            for limits in (None, (0, 100), (-100, 90)):
                for reduce in (False, True):
                    if (reduce and (ours == "s16" or (ours == "u8" and word == "symmetric"))) or (limits and (ours == "s16" or (limits[0] < 0) == (ours == "u8"))):
                        continue
                    t = obs.MinMaxObserver(dtype=dtype, qscheme=scheme, reduce_range=reduce, **(dict(zip(("quant_min", "quant_max"), limits)) if limits else {}))
                    t(torch.from_numpy(x.copy()))
                    s, z = t.calculate_qparams()
                    low, high = limits or (0, 0)
                    got = tool.ask(f"params {ours} {word} {int(reduce)} {low} {high} {float(x.min()).hex()} {float(x.max()).hex()}")
                    same = np.float32(float.fromhex(got[0])) == np.float32(s.item()) and int(got[1]) == int(z.item())
                    count.check("types, schemes, limits", same, f"{name} {ours} {word} {limits} {reduce}: torch {s.item()} {z.item()}, ours {got}")


PRESETS = {"x86": ao.get_default_qconfig("x86"), "fbgemm": ao.get_default_qconfig("fbgemm"), "qnnpack": ao.get_default_qconfig("qnnpack"), "onednn": ao.get_default_qconfig("onednn"),
           "default_qat": ao.default_qat_qconfig, "default_dynamic": ao.default_dynamic_qconfig, "float16_dynamic": ao.float16_dynamic_qconfig}


def check_preset_weights(tool, count, name, preset, config, x):
    w = config.weight()
    rows = x[:, :200]
    w(torch.from_numpy(rows.copy()))
    theirs = [np.float32(v) for v in w.calculate_qparams()[0].tolist()]
    ours = [np.float32(float.fromhex(v)) for v in tool.ask(f"weights {preset} {len(rows)} {rows.shape[1]}", *rows)]
    count.check(f"{preset}: weights", ours == theirs, f"{name} {preset}: torch {theirs[:3]}, ours {ours[:3]}")


def check_preset_histogram(tool, count, ratios, name, preset, t, x):
    """Parameters on torch's own histogram; the error of those from the data on, where ours has another grid."""
    t(torch.from_numpy(x.copy()))
    s, z = t.calculate_qparams()
    lo, hi = tool.range(f"search {len(t.histogram)} {t.min_val.item().hex()} {t.max_val.item().hex()}", t.histogram.numpy())
    got = tool.ask(f"of_range {preset} {float(lo).hex()} {float(hi).hex()}")
    same = np.float32(float.fromhex(got[0])) == np.float32(s.item()) and int(got[1]) == int(z.item())
    count.check(f"{preset}: activations, torch's histogram", same, f"{name} {preset}: torch {s.item()} {z.item()}, ours {got}")
    got = tool.ask(f"preset {preset} {len(x)} {x.shape[1]}", *x)
    top = 127 if t.reduce_range else 255
    ratios.setdefault(preset, []).append(error(x, np.float32(float.fromhex(got[0])), int(got[1]), top) / error(x, np.float32(s.item()), int(z.item()), top))


def check_presets(tool, count, ratios, name, x):
    """The presets' observers from the data to scale and zero point. Dynamic ones have no parameters of activations beforehand, float16 has none at all."""
    for preset, config in PRESETS.items():
        t = config.activation()
        if preset == "float16_dynamic":
            mode = tool.ask(f"mode {preset}")
            count.check(f"{preset}: mode", mode == ["float16"] and config.weight().dtype == torch.float16, f"{mode}")
            continue
        check_preset_weights(tool, count, name, preset, config, x)
        if preset == "default_dynamic":
            count.check(f"{preset}: mode", tool.ask(f"mode {preset}") == ["dynamic"] and t.is_dynamic, "")
        elif preset == "default_qat":
            for sample in x:
                t(torch.from_numpy(sample.copy()))
            s, z = t.calculate_qparams()
            got = tool.ask(f"preset {preset} {len(x)} {x.shape[1]}", *x)
            same = np.float32(float.fromhex(got[0])) == np.float32(s.item()) and int(got[1]) == int(z.item())
            count.check(f"{preset}: activations", same, f"{name} {preset}: torch {s.item()} {z.item()}, ours {got}")
        else:
            check_preset_histogram(tool, count, ratios, name, preset, t, x)


def error(x, scale, zp, top=255):
    q = np.clip(np.rint(x.astype(np.float64) / float(scale)) + zp, 0, top)
    return float((((q - zp) * float(scale) - x) ** 2).sum())


def check_histogram(tool, count, ratios, name, x):
    t = obs.HistogramObserver(dtype=torch.quint8)
    t(torch.from_numpy(x.copy()))
    theirs = tuple(np.float32(v.item()) for v in t._non_linear_param_search())
    ours = tool.range(f"search {len(t.histogram)} {t.min_val.item().hex()} {t.max_val.item().hex()}", t.histogram.numpy())
    count.check("histogram search on torch's histogram", ours == theirs, f"{name}: torch {theirs}, ours {ours}")
    s, z = t.calculate_qparams()
    base = error(x, np.float32(s.item()), int(z.item()))
    for method in ("histogram", "mse"):
        lo, hi = tool.range(f"observe {method} {len(x)} {x.shape[1]}", *x)
        ratios[method].append(error(x, *tool.affine(lo, hi, 0, 255)) / base)


def main():
    tool, count, ratios, presets = Tool(sys.argv[2]), Count(), {"histogram": [], "mse": []}, {}
    check_fixed(tool, count)
    for name, x in tensors(sys.argv[1]):
        check_direct(tool, count, name, x)
        check_weights(tool, count, name, x)
        check_schemes(tool, count, name, x)
        check_per_channel_average(tool, count, name, x)
        check_presets(tool, count, presets, name, x)
        check_histogram(tool, count, ratios, name, x)
    for what, n in count.n.items():
        print(f"{what:40} {n:6} compared, {count.bad.get(what, 0)} differ")
    failed = bool(count.bad)
    for method, most in (("histogram", 1.01), ("mse", 1.01)):
        r = np.array(ratios[method])
        ok = r.max() <= most
        failed |= not ok
        print(f"{method + ', squared error / torch histogram':40} {len(r):6} tensors, mean {r.mean():.3f}, {r.min():.3f} to {r.max():.3f}{'' if ok else f'   FAILED: above {most}'}")
    for preset, r in presets.items():
        failed |= max(r) > 1.01
        print(f"{preset + ', squared error / torch':40} {len(r):6} tensors, mean {np.mean(r):.4f}, {min(r):.4f} to {max(r):.4f}{'' if max(r) <= 1.01 else '   FAILED: above 1.01'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
