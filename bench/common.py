"""What the benchmarks share: compiling a model with intaglio, calling it, the CPU's peak, statistics."""
import ctypes
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent


def shared_folder():
    return pathlib.Path(os.environ.get("IG_SHARED", ROOT.parent / "shared")) / "data"


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


class Model:
    """A model compiled by intaglio and loaded into this process."""

    def __init__(self, intaglio, source, options, target="native", threads=1):
        self.threads = threads
        self.temp = tempfile.TemporaryDirectory()
        base = pathlib.Path(self.temp.name, "bench_model")
        run(intaglio, "compile", source, *options, "--target", target, "--threads", threads, "-o", base, "--quiet")
        symbol = next(w for w in run("nm", "--defined-only", "-g", f"{base}.o").split() if w.endswith("_model"))
        run("gcc", "-O2", "-shared", "-fPIC", f"-I{ROOT}", f"-I{ROOT / 'runtime'}", f"-DMODEL={symbol}", "-o", f"{base}.so", ROOT / "bench" / "run.c", ROOT / "runtime" / "rt_pool.c",
            f"{base}.o")
        self.library = ctypes.CDLL(f"{base}.so")
        self.library.bench_run.argtypes = [ctypes.POINTER(ctypes.c_void_p)] * 2 + [ctypes.c_int] * 3 + [ctypes.POINTER(ctypes.c_double)]
        self.output = np.zeros(self.library.bench_io_bytes(1, 0) // 4, np.float32)

    def times(self, x, calls, cpu=False):
        """Microseconds of each call with the one input x (cpu: of this process's CPU time); the result is in self.output."""
        x = np.ascontiguousarray(x)
        if x.nbytes != self.library.bench_io_bytes(0, 0):
            raise SystemExit(f"the model takes {self.library.bench_io_bytes(0, 0)} bytes, not {x.nbytes}")
        us = (ctypes.c_double * calls)()
        error = self.library.bench_run((ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(self.output.ctypes.data), self.threads, calls,
                                       int(cpu), us)
        if error:
            raise SystemExit(f"the model's call failed with {error}")
        return list(us)


class Peak:
    """The CPU's int8 peak, from bench/peak.c."""

    def __init__(self):
        self.temp = tempfile.TemporaryDirectory()
        self.program = pathlib.Path(self.temp.name, "peak")
        run("gcc", "-O2", "-o", self.program, ROOT / "bench" / "peak.c")

    def measure(self):
        return json.loads(run(self.program))


def pin(n=1):
    """So many CPUs for the whole process: the last of those that it may use."""
    cpus = sorted(os.sched_getaffinity(0))[-n:]
    os.sched_setaffinity(0, cpus)
    return cpus[-1]
