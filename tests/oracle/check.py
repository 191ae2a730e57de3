#!/usr/bin/env python3
"""The NumPy oracle against the graph interpreter: random graphs, every tensor of every sample compared bit for bit."""
import argparse
import collections
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import env  # noqa: E402

env.need("numpy")
import numpy as np  # noqa: E402

import generate  # noqa: E402
from graphs import same  # noqa: E402


def dull(a):
    """More than nine tenths of the elements alike, as after saturation."""
    if a.size < 8:
        return False
    _, n = np.unique(a, return_counts=True)
    return n.max() > 0.9 * a.size


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intaglio", required=True, type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--count", type=int, default=120, help="graphs that must count")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="reference", help="kir and native take graphs with u8 activations only")
    parser.add_argument("--keep", help="folder for the graphs")
    args = parser.parse_args()
    ops, elements, wrong, counted, seed, skipped = collections.Counter(), 0, 0, 0, args.seed, 0
    with tempfile.TemporaryDirectory() as temp:
        while counted < args.count:
            g, samples = generate.Maker(seed, args.engine != "reference").make()
            folder = pathlib.Path(args.keep or temp) / f"g{seed}"
            seed += 1
            if all(dull(g.value[o][0]) for o in g.outputs):
                skipped += 1  # says too little
                continue
            got = g.run(args.intaglio, str(folder), samples, args.engine)
            counted += 1
            for s, inputs in enumerate(samples):
                want = g.evaluate(inputs)
                for name, op, attrs, ins, q in g.nodes:
                    ok = same(got[name][s], np.ascontiguousarray(want[name]))
                    elements += ok.size
                    if s == 0:
                        ops[op, "int8" if q is not None else "f32"] += 1
                    if not ok.all():
                        bad = int((~ok).sum())
                        wrong += bad
                        i = tuple(int(v) for v in np.argwhere(~ok)[0]) if ok.shape else ()
                        print(f"graph {seed - 1} sample {s} {name} = {op}({', '.join(ins)}) {attrs}: {bad} of {ok.size} differ; "
                              f"at {i} the interpreter has {got[name][s][i]}, the oracle {want[name][i]}")
                        break
    for (op, kind), n in sorted(ops.items()):
        print(f"{op:24} {kind:5} {n:5}")
    print(f"{counted} graphs ({skipped} too dull), {elements} elements, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
