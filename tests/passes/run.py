#!/usr/bin/env python3
"""Golden IR: each file in cases/ is a model and the text that a pass must leave.

    # pass: NAME                        the pass to stop after
    # calibration: SAMPLES LO HI        (optional) uniform samples for every input value in LO..HI
    MODEL TEXT
    ---- after
    EXPECTED TEXT, or lines of diagnostics when the compiler must refuse

run.py INTAGLIO [--rewrite] [CASE...]; --rewrite puts what the compiler says now into the files."""
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "---- after\n"


def header(text, key):
    m = re.search(rf"^# {key}: (.*)$", text, re.M)
    return m.group(1).split() if m else None


def write_npy(path, shape, values):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack(f"<{len(values)}f", *values))


def calibration(folder, text, spec):
    samples, lo, hi = int(spec[0]), float(spec[1]), float(spec[2])
    shape = [int(n) for n in re.search(r"model \w+\(\w+: f32\[([^\]]*)\]", text).group(1).split(",")]
    count = samples
    for n in shape[1:]:
        count *= n
    # a low-discrepancy sequence: spread over the range, the same on every machine
    values = [lo + (hi - lo) * ((i * 40503 % 65536) / 65535) for i in range(count)]
    write_npy(folder / "calib.npy", tuple([samples] + shape[1:]), values)
    return ["--calibration", "calib.npy"]


def run_case(intaglio, path):
    text, _, expected = path.read_text().partition(MARK)
    name = header(text, "pass")[0]
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        (folder / "m.ig").write_text(text)
        spec = header(text, "calibration")
        data = calibration(folder, text, spec) if spec else []
        r = subprocess.run([intaglio, "compile", "m.ig", "--quiet", "--verify", "--stop-after", name, "--dump-after", name, *data],
                           cwd=folder, capture_output=True, text=True, timeout=60)
    if r.returncode not in (0, 1):
        return text, expected, f"exit status {r.returncode}\n{r.stderr}"
    # several dumps when a pass stands twice in the list: the first is where it stopped
    got = r.stdout.replace(f"# after {name}\n", "", 1) if r.returncode == 0 else ""
    warnings = re.findall(r"^m\.ig:.*$|^intaglio: (?:error|warning).*$", r.stderr, re.M)
    warnings = [w for w in warnings if "fewer than 100" not in w]
    return text, expected, got + "".join(w + "\n" for w in warnings)


def main():
    intaglio = str(Path(sys.argv[1]).resolve())
    rewrite = "--rewrite" in sys.argv
    chosen = [a for a in sys.argv[2:] if not a.startswith("--")]
    failed = 0
    cases = sorted((HERE / "cases").glob("*.txt"))
    cases = [c for c in cases if not chosen or c.stem in chosen]
    for path in cases:
        text, expected, got = run_case(intaglio, path)
        if got == expected:
            continue
        if rewrite:
            path.write_text(text + MARK + got)
            print(f"rewritten: {path.stem}")
            continue
        failed += 1
        print(f"FAILED {path.stem}\n--- expected\n{expected}--- got\n{got}")
    print(f"{len(cases)} cases, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
