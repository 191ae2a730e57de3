#!/usr/bin/env python3
"""Golden diagnostics: each NAME.ig here is given to a command, and its standard error and exit status compared with NAME.err.

    run.py [--update] [--only TEXT] COMMAND...      (the file's name is added, or replaces an argument FILE)

Files named rules-*.ig hold a quantize block alone and are given with --qconfig to the model ok-plain.ig.
"""
import argparse, json, os, shutil, struct, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))


def write_weights(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def f32(shape, value=0.5):
    n = 1
    for d in shape:
        n *= d
    return ("F32", list(shape), struct.pack("<%df" % n, *([value] * n)))


def make_weights(folder):
    tiny = {"conv0.weight": f32([4, 1, 3, 3]), "conv0.bias": f32([4]), "dw.weight": f32([4, 1, 3, 3]), "fc.weight": f32([3, 64]), "fc.bias": f32([3])}
    for p in ("weight", "bias", "running_mean", "running_var"):
        tiny["bn0." + p] = f32([4])
    write_weights(os.path.join(folder, "tiny.safetensors"), tiny)
    odd = {
        "nan.weight": f32([4, 1, 3, 3], float("nan")),
        "int.weight": ("I32", [4, 1, 3, 3], bytes(4 * 36)),
        "bytes": ("I8", [4], bytes(4)),
        "bn.weight": f32([4]),
        "bn.bias": f32([5]),
        "bn.num_batches_tracked": ("I64", [], bytes(8)),
    }
    write_weights(os.path.join(folder, "odd.safetensors"), odd)
    with open(os.path.join(folder, "cut.safetensors"), "wb") as f:
        f.write(b"\x10")


def run_case(command, folder, name):
    args = [name if a == "FILE" else a for a in command]
    if "FILE" not in command:
        args += ["ok-plain.ig", "--qconfig", name] if name.startswith("rules-") else [name]
    p = subprocess.run(args, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
    return p.stderr.decode(errors="replace") + "exit status %d\n" % p.returncode


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--update", action="store_true", help="rewrite the expectations")
    a.add_argument("--only", default="")
    a.add_argument("command", nargs=argparse.REMAINDER)
    o = a.parse_args()
    command = [c if i else os.path.abspath(c) for i, c in enumerate(o.command)]
    cases = sorted(f for f in os.listdir(HERE) if f.endswith(".ig") and o.only in f)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        make_weights(folder)
        for f in os.listdir(HERE):
            if f.endswith(".ig"):
                shutil.copyfile(os.path.join(HERE, f), os.path.join(folder, f))
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda c: run_case(command, folder, c), cases))
    for case, got in zip(cases, results):
        golden = os.path.join(HERE, case[:-3] + ".err")
        if o.update:
            with open(golden, "w") as f:
                f.write(got)
            continue
        want = open(golden).read() if os.path.exists(golden) else "(no expectation: run with --update)\n"
        bad_status = case.startswith(("bad-", "rules-")) and not got.endswith("exit status 1\n")
        if got != want or bad_status:
            failed += 1
            print("FAIL %s\n--- expected\n%s--- got\n%s" % (case, want, got))
    print("%d cases, %d failed" % (len(cases), failed))
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
