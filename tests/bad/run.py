#!/usr/bin/env python3
"""Runs each case of cases.py and compares exit status and diagnostics with golden/NAME.txt. A case must end with status 1 (bad input) or 2 (wrong
call), say nothing on standard output that a caller could take for a result, and leave no file behind.

run.py --intaglio PROGRAM [--rewrite] [NAME...]"""
import argparse
import difflib
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from cases import CASES

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLE = HERE.parent.parent / "examples" / "digits"
GOOD = ["model.ig", "weights.safetensors", "calib.npy", "test.npy", "test_labels.npy"]


def prepare(folder, state):
    for name in GOOD:
        shutil.copyfile(EXAMPLE / name, folder / name)
    if state:
        shutil.copyfile(state, folder / "good.state")


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def run(program, folder, command):
    return subprocess.run([program, *command], cwd=folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=300)


def check(program, name, state):
    """The text to compare with the golden file, and what is wrong whatever the golden file says."""
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        prepare(folder, state)
        command = CASES[name](folder)
        before = listing(folder)
        try:
            done = run(program, folder, command)
        except subprocess.TimeoutExpired:
            return "", ["it did not end"]
        wrong = []
        if done.returncode not in (1, 2):
            wrong.append(f"exit status {done.returncode}")
        if "Sanitizer" in done.stderr or "runtime error" in done.stderr:
            wrong.append("a sanitizer spoke:\n" + done.stderr)
        left = [p for p in listing(folder) if p not in before]
        if left:
            wrong.append(f"left behind: {', '.join(left)}")
        if done.stdout:
            wrong.append(f"standard output: {done.stdout[:200]!r}")
        said = re.sub(r"takes \d+ bytes, more", "takes N bytes, more", done.stderr)  # the arena's size is the schedules' business
        text = f"$ intaglio {shlex.join(command)}\n{said.replace(temp, 'FOLDER')}exit status {done.returncode}\n"
        return text, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--intaglio", required=True)
    parser.add_argument("--rewrite", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    program = str(pathlib.Path(args.intaglio).resolve())
    failed = 0
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        prepare(folder, None)
        made = run(program, folder, ["calibrate", "model.ig", "calib.npy", "-o", "good.state"])
        if made.returncode != 0:
            sys.exit(f"the good state cannot be made:\n{made.stderr}")
        for name in args.names or CASES:
            text, wrong = check(program, name, folder / "good.state")
            golden = HERE / "golden" / f"{name}.txt"
            if args.rewrite:
                golden.write_text(text)
            expected = golden.read_text() if golden.exists() else ""
            if text != expected:
                diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), "expected", "said", lineterm="")
                wrong.append("\n".join(diff))
            if wrong:
                failed += 1
                print(f"FAIL {name}: " + "\n     ".join(wrong))
    stale = sorted({p.stem for p in (HERE / "golden").glob("*.txt")} - set(CASES))
    if stale:
        failed += 1
        print(f"FAIL golden texts without a case: {', '.join(stale)}")
    print(f"{len(args.names or CASES)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
