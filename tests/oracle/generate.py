"""Random small graphs over all operations, quantized (u8 and s8) and float, with scales chosen so that results use their range; random, equal and
power-of-two scales."""
import numpy as np

import numerics
from graphs import Graph
from numerics import F, Q

UNARY = ["relu", "relu6", "clip", "leaky_relu", "sigmoid", "tanh", "hard_swish"]


class Maker:
    def __init__(self, seed, u8_only=False):
        self.u8_only = u8_only  # what code is generated for
        self.r = np.random.default_rng(seed)
        self.g = Graph()
        self.kind = ("random", "pow2", "equal")[seed % 3]
        self.equal = F(2.0 ** -4)

    def pick(self, *options):
        return options[int(self.r.integers(len(options)))]

    def chance(self, p):
        return self.r.random() < p

    def q_for(self, x):
        """Parameters for a float array: most of its range is used, some of it saturates now and then."""
        x = x[np.isfinite(x)]
        lo, hi = (min(0.0, float(x.min())), max(0.0, float(x.max()))) if x.size else (0.0, 1.0)
        width = max(hi - lo, 1e-3) * self.pick(0.7, 1.0, 1.0, 1.3)
        dtype = "u8" if self.u8_only else self.pick("u8", "u8", "s8")
        qmin, qmax = (0, 255) if dtype == "u8" else (-128, 127)
        if self.chance(0.15):
            qmax = 127 if dtype == "u8" else 63
            qmin = 0 if dtype == "u8" else -64
        s = width / (qmax - qmin)
        if self.kind == "pow2":
            s = 2.0 ** np.ceil(np.log2(s))
        if self.kind == "equal" and self.equal / 4 < s < self.equal * 4:
            s = self.equal
        s = F(s)
        z = int(np.clip(np.rint(qmin - lo / float(s)), qmin, qmax))
        return Q(dtype, s, z, qmin, qmax)

    def real(self, name):
        a, q = self.g.value[name]
        return a if q is None else numerics.dequantize(a, q)

    def result_q(self, op, attrs, ins, real=None):
        """Parameters for the result of op on the real values of its operands."""
        real = real or [(self.real(i), None) for i in ins]
        return self.q_for(numerics.evaluate(op, attrs, real, None))

    def values(self, rank=None, quantized=None):
        names = []
        for name, (a, q) in self.g.value.items():
            if name.startswith("k") or a.dtype == np.int32 or (q is None and a.dtype != np.float32):
                continue
            if (rank is None or a.ndim == rank) and (quantized is None or (q is not None) == quantized):
                names.append(name)
        return names

    def choose(self, names):
        """Late values are chosen more often: graphs grow deep."""
        i = int(len(names) * self.r.random() ** 0.5)
        return names[min(i, len(names) - 1)]

    # ---- operations; each returns False when no operand fits ----

    def conv_attrs(self, shape, k):
        attrs = {}
        if self.chance(0.5):
            attrs["stride"] = [int(self.r.integers(1, 4)), int(self.r.integers(1, 3))]
        if self.chance(0.3):
            attrs["dilation"] = [int(self.r.integers(1, 3)), int(self.r.integers(1, 3))]
        attrs["pad"] = [int(v) for v in self.r.integers(0, 3, 4)]
        d = attrs.get("dilation", [1, 1])
        fits = all(shape[2 + i] + attrs["pad"][i] + attrs["pad"][2 + i] >= d[i] * (k[i] - 1) + 1 for i in (0, 1))
        return attrs if fits else None

    def compute(self):
        op = self.pick("conv2d", "conv2d", "depthwise_conv2d", "linear")
        names = self.values(2 if op == "linear" else 4)
        if not names:
            return False
        x = self.choose(names)
        a, q = self.g.value[x]
        attrs = {}
        if op == "linear":
            shape = (int(self.r.integers(1, 20)), a.shape[-1])
        else:
            k = [int(self.r.integers(1, 5)), int(self.r.integers(1, 5))]
            attrs = self.conv_attrs(a.shape, k)
            if attrs is None:
                return False
            c = a.shape[1]
            if op == "depthwise_conv2d":
                shape = (c, 1, *k)
            else:
                groups = int(self.pick(*[d for d in (1, 1, 2, 3) if c % d == 0]))
                shape = (groups * int(self.r.integers(1, 9)), c // groups, *k)
                if groups > 1:
                    attrs["groups"] = groups
        return self.finish_compute(op, x, q, attrs, shape)

    def finish_compute(self, op, x, q, attrs, shape):
        fan = int(np.prod(shape[1:]))
        w = (self.r.standard_normal(shape) / np.sqrt(fan) * self.pick(0.5, 1, 2)).astype(F)
        b = (self.r.standard_normal(shape[0]) * 0.3).astype(F)
        if self.chance(0.4):
            attrs["min"] = self.pick(0.0, -0.5)
        if "min" in attrs and self.chance(0.4):
            attrs["max"] = self.pick(6.0, 1.0)
        if q is None:
            weight = self.g.constant(w)
            if self.chance(0.4):
                weight = self.dynamic_weight(w, shape, attrs)
            ins = [x, weight, self.g.constant(b)]
            op, ins = self.residual(op, ins, attrs, None)
            self.g.node(op, ins, attrs)
            return True
        amax = np.abs(w.reshape(shape[0], -1)).max(1) if self.chance(0.8) else np.abs(w).max()
        s_w = np.maximum(np.asarray(amax / 127.5, F), F(1e-6))
        if self.kind == "pow2":
            s_w = (2.0 ** np.ceil(np.log2(s_w))).astype(F)
        cast = s_w.reshape((-1,) + (1,) * (len(shape) - 1)) if s_w.ndim else s_w
        w_q = np.clip(np.rint(w / cast), -128, 127).astype(np.int8)
        real_w = w_q.astype(F) * cast
        mode = self.pick("int32", "int32", "int32", "float32", "fixed")
        if mode == "float32":
            attrs["bias_mode"] = "float32"
            bias = self.g.constant(b)
        else:
            if mode == "fixed":
                attrs["requantize"] = "fixed"
            bias = self.g.constant(np.rint(b.astype(np.float64) / (np.float64(q.scale) * s_w.astype(np.float64))).astype(np.int32))
        ins = [x, self.g.constant(w_q, Q("s8", s_w)), bias]
        real = [(self.real(x), None), (real_w, None), (b, None)]
        op, ins = self.residual(op, ins, attrs, real)
        if len(ins) > 3:
            real.append((self.real(ins[3]), None))
        qy = None if self.chance(0.15) else self.result_q(op, attrs, ins, real)
        self.g.node(op, ins, attrs, qy)
        return True

    def dynamic_weight(self, w, shape, attrs):
        """An s8 weight of a layer that quantizes its input at run time."""
        attrs["dynamic"] = self.pick(255, 255, 127)
        rows = w.reshape(shape[0], -1) if self.chance(0.7) else w.reshape(1, -1)
        s = np.maximum(np.abs(rows).max(1) / F(127), F(1e-6)).astype(F)
        w_q = np.clip(np.rint(rows / s[:, None]), -128, 127).astype(np.int8).reshape(shape)
        return self.g.constant(w_q, Q("s8", s if len(s) == shape[0] else s[0]))

    def residual(self, op, ins, attrs, real):
        """With luck there is a value of the result's shape: the operation becomes *_add."""
        values = real or [self.g.value[i] for i in ins]
        shape = numerics.evaluate(op, {k: v for k, v in attrs.items() if k in ("stride", "dilation", "pad", "groups")}, values, None).shape
        names = [n for n in self.values(len(shape), real is not None) if self.g.value[n][0].shape == shape]
        if names and self.chance(0.7):
            return op + "_add", ins + [self.choose(names)]
        if not names and self.chance(0.3):
            data = (self.r.standard_normal(shape) * 0.5).astype(F)
            q = self.q_for(data) if real is not None else None
            return op + "_add", ins + [self.g.constant(data if q is None else numerics.quantize(data, q), q)]
        return op, ins

    def unary(self):
        x = self.choose(self.values())
        op = self.pick(*UNARY)
        attrs = {}
        if op == "clip":
            attrs = {"min": -0.75, "max": 1.5}
        if op == "leaky_relu":
            attrs = {"alpha": self.pick(0.1, 0.25)}
        q = None if self.g.value[x][1] is None else self.result_q(op, attrs, [x])
        self.g.node(op, [x], attrs, q)
        return True

    def binary(self):
        a = self.choose(self.values())
        quantized = self.g.value[a][1] is not None
        shape = self.g.value[a][0].shape
        same = [n for n in self.values(None, quantized) if self.g.value[n][0].shape == shape]
        if self.chance(0.3):  # a broadcast constant
            other = [d if self.chance(0.5) else 1 for d in shape][int(self.r.integers(0, len(shape))):]
            data = self.r.standard_normal(other).astype(F)
            q = self.q_for(data) if quantized else None
            b = self.g.constant(data if q is None else numerics.quantize(data, q), q)
        else:
            b = self.choose(same)
        op = self.pick("add", "add", "sub", "mul")
        attrs = {"min": 0.0} if self.chance(0.3) else {}
        if self.chance(0.5):
            a, b = b, a
        q = self.result_q(op, attrs, [a, b]) if quantized else None
        self.g.node(op, [a, b], attrs, q)
        return True

    def pool(self):
        names = self.values(4)
        if not names:
            return False
        x = self.choose(names)
        a, q = self.g.value[x]
        op = self.pick("max_pool2d", "avg_pool2d", "avg_pool2d", "global_avg_pool")
        if op == "global_avg_pool":
            attrs = {}
        else:
            k = [int(self.r.integers(1, 4)), int(self.r.integers(1, 4))]
            attrs = {"kernel": k, "stride": [int(v) for v in self.r.integers(1, 3, 2)],
                     "pad": [int(self.r.integers(0, k[i % 2])) for i in range(4)]}
            if op == "max_pool2d" and max(attrs["pad"]) == 0 and self.chance(0.4):
                attrs["dilation"] = [2, 1]
            if self.chance(0.3):
                attrs["ceil_mode"] = True
            if op == "avg_pool2d" and self.chance(0.5):
                attrs["count_include_pad"] = True
            d = attrs.get("dilation", [1, 1])
            if any(a.shape[2 + i] < d[i] * (k[i] - 1) + 1 for i in (0, 1)):
                return False
        if q is not None and op != "max_pool2d" and self.chance(0.4):
            q = self.result_q(op, attrs, [x])
        self.g.node(op, [x], attrs, q)
        return True

    def move(self):
        x = self.choose(self.values())
        a, q = self.g.value[x]
        op = self.pick("pad", "slice", "reshape", "flatten", "transpose")
        if op == "pad":
            attrs = {"pads": [int(v) for v in self.r.integers(0, 2, 2 * a.ndim)], "value": self.pick(0.0, 0.3, -1.0)}
        elif op == "slice":
            axis = int(self.r.integers(a.ndim))
            n = a.shape[axis]
            start = int(self.r.integers(0, n))
            attrs = {"starts": [start], "ends": [self.pick(n, 1000)], "axes": [axis - self.pick(0, a.ndim)], "steps": [self.pick(1, 2, 3)]}
            if attrs["starts"][0] >= n - 1 and n > 1:
                attrs["starts"] = [n // 2]
        elif op == "reshape":
            attrs = {"shape": [a.shape[0], int(a.size // a.shape[0])]}
        elif op == "flatten":
            attrs = {"axis": 1}
        else:
            attrs = {"perm": [int(v) for v in self.r.permutation(a.ndim)]}
        if op == "flatten" and a.ndim < 2:
            return False
        self.g.node(op, [x], attrs)
        return True

    def concat(self):
        x = self.choose(self.values())
        a, q = self.g.value[x]
        axis = int(self.r.integers(a.ndim))
        others = [n for n in self.values(a.ndim, q is not None)
                  if all(self.g.value[n][0].shape[i] == a.shape[i] for i in range(a.ndim) if i != axis) and (q is not None or True)]
        ins = [x] + [self.choose(others) for _ in range(int(self.r.integers(1, 3)))]
        qy = self.pick(q, self.result_q("concat", {"axis": axis}, ins)) if q is not None else None
        self.g.node("concat", ins, {"axis": axis}, qy)
        return True

    def softmax(self):
        x = self.choose(self.values())
        a, q = self.g.value[x]
        attrs = {"axis": int(self.r.integers(a.ndim))}
        qy = None if q is None or self.chance(0.3) else Q("u8", F(2.0 ** -8 if self.chance(0.7) else 1 / 255), 0)
        self.g.node("softmax", [x], attrs, qy)
        return True

    def convert(self):
        x = self.choose(self.values())
        q = self.g.value[x][1]
        if q is None:
            q = self.q_for(self.g.value[x][0])
            if self.chance(0.3):
                part = self.pick("high", "low")
                fine = F(q.scale / F(self.pick(128, 1024) if part == "high" else self.pick(1, 16)))
                self.g.node("quantize", [x], {"part": part}, Q("u8", fine * F(256) if part == "high" else fine, 128 if part == "high" else 0))
            else:
                self.g.node("quantize", [x], {}, q)
        elif self.chance(0.4):
            self.g.node("requantize", [x], {}, self.q_for(self.real(x)))
        else:
            self.g.node("dequantize", [x], {})
        return True

    def batch_norm(self):
        names = [n for n in self.values(None, False) if self.g.value[n][0].ndim >= 2]
        if not names:
            return False
        x = self.choose(names)
        c = self.g.value[x][0].shape[1]
        r = self.r
        ks = [r.uniform(0.5, 2, c), r.standard_normal(c), r.standard_normal(c), r.uniform(0.1, 2, c)]
        self.g.node("batch_norm", [x] + [self.g.constant(k.astype(F)) for k in ks], {"eps": 1e-3})
        return True

    # ---- whole graphs ----

    def start(self):
        """The input and, for bytes of a camera, its normalize."""
        r = self.r
        shape = (1, int(self.pick(1, 2, 3, 4, 6, 16)), int(r.integers(4, 10)), int(r.integers(4, 10)))
        kind = self.pick("float", "quantized", "bytes", "bytes")
        if kind == "float":
            shape = shape if self.chance(0.7) else (shape[0], shape[1] * 8)
            self.samples = [[r.standard_normal(shape).astype(F)] for _ in range(3)]
            x = self.g.input(self.samples[0][0])
            if self.chance(0.8):
                self.g.node("quantize", [x], {}, self.q_for(self.samples[0][0]))
            return
        self.samples = [[r.integers(0, 256, shape).astype(np.uint8)] for _ in range(3)]
        if kind == "quantized":
            self.g.input(self.samples[0][0], Q("u8", F(r.uniform(0.005, 0.05)), int(r.integers(0, 256))))
            return
        x = self.g.input(self.samples[0][0], None, self.pick(None, "nhwc"))
        c = shape[1]
        attrs = {"mean": [float(F(v)) for v in r.uniform(0.3, 0.6, c)], "std": [float(F(v)) for v in r.uniform(0.2, 0.3, c)], "scale": 255.0}
        q = None
        if self.chance(0.7):
            q = self.q_for(numerics.normalize(attrs, [self.g.value[x]], None))
        self.g.node("normalize", [x], attrs, q)

    def make(self):
        self.start()
        steps = [self.compute] * 6 + [self.unary] * 3 + [self.binary] * 4 + [self.pool] * 3 + [self.move] * 2 + [self.concat, self.softmax, self.convert, self.batch_norm]
        count, tries = int(self.r.integers(4, 10)), 0
        while count and tries < 100:
            tries += 1
            if sum(a.size for a, _ in self.g.value.values()) > 60000:
                break
            count -= bool(self.pick(*steps)())
        self.g.close()
        return self.g, self.samples
