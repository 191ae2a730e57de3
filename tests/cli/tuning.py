#!/usr/bin/env python3
"""tune: every block on the front gives its figures again in eval and compile; the choice follows from the front; the same input gives the same output,
also after a run that was killed; budgets that cannot be met.

tuning.py --intaglio PROGRAM --source FOLDER"""
import json
import os
import signal
import subprocess
import sys
import time

from common import Folder, arguments

DATA = ("--calibration", "digits.state", "--data", "test.npy", "--labels", "test_labels.npy", "--samples", "0:120", "--metric", "mse")
TUNE = ("tune", "model.ig", *DATA, "--precisions", "int8,float32,s8,s4", "--alone-samples", "20", "--quiet")
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)
    return condition


def tune(f, *options, status=0, steps="7"):
    done = f.run(*TUNE, *options, "--json", *(() if "--steps" in options else ("--steps", steps)))
    check(done.returncode == status, f"tune {options}: exit status {done.returncode}, not {status}: {done.stderr}")
    return json.loads(done.stdout) if done.stdout else None


def reproduces(f, point, block, what):
    """What eval and compile say of the block is what tune said."""
    said = json.loads(f.run("eval", "model.ig", *DATA, "--qconfig", block, "--engine", "float,native", "--max-loss", "100%", "--json").stdout)
    for name in ("loss", "loss_interval", "agreement", "sqnr_db"):
        check(said[name] == point[name], f"{what}: {name} {said[name]} in eval, {point[name]} in tune")
    check((said["engines"]["native"]["top1"], said["engines"]["float"]["top1"]) == (point["quantized"], point["float"]), f"{what}: accuracy")
    made = json.loads(f.run("compile", "model.ig", "--calibration", "digits.state", "--qconfig", block, "-o", "made", "--json").stdout)
    check(made["weight_bytes"] == point["bytes"], f"{what}: {made['weight_bytes']} bytes of constants, tune said {point['bytes']}")


def test_front(f):
    said = tune(f, "--front", "front", "-o", "best.ig", "--max-loss", "0.05%", steps="20")
    front = said["front"]
    check(len(front) >= 6, f"{len(front)} points on the front")
    for a, b in zip(front, front[1:]):
        check(a["bytes"] > b["bytes"] and a["loss"] < b["loss"], "the front is no front")
    check(sorted(os.listdir(f.path / "front")) == [f"{i + 1:02}.ig" for i in range(len(front))], "files of the front")
    for i, point in enumerate(front):
        reproduces(f, point, f"front/{i + 1:02}.ig", f"point {i + 1}")
    reproduces(f, said["chosen"], "best.ig", "the chosen one")
    fit = [p["bytes"] for p in front if p["loss"] <= 0.0005 + 1e-9]
    check(said["chosen"]["bytes"] == min(fit), f"chosen {said['chosen']['bytes']} bytes of {fit}")
    text = (f.path / "best.ig").read_text()
    check(all(f'layer "{x["layer"]}"' in text for x in said["alone"]), "a layer has no line")
    lines = [line for line in text.splitlines() if line.startswith("  layer")]
    check(all("# alone: loss" in line and "agreement" in line and line.endswith(" bytes") for line in lines), f"evidence: {lines}")


def test_same(f):
    """The same bytes whatever the number of threads."""
    runs = []
    for jobs in ("1", "3"):
        done = f.run("tune", "model.ig", "--calibration", "calib.npy", *DATA[2:], "-o", "same.ig", "--jobs", jobs, "--observers", "minmax,moving_average", "--steps", "4", "--json")
        check(done.returncode == 0, f"--jobs {jobs}: {done.stderr}")
        runs.append((done.stdout, (f.path / "same.ig").read_bytes()))
    check(runs[0] == runs[1], "results depend on the number of threads")


def test_budgets(f):
    said = tune(f, "--max-bytes", "8K", "--state", "budgets.tune")
    check(said["chosen"]["bytes"] <= 8 << 10, "more than 8K")
    fit = [p for p in said["front"] if p["bytes"] <= 8 << 10]
    check(said["chosen"]["loss"] == min(p["loss"] for p in fit), "not the least loss in 8K")
    said = tune(f, "--max-bytes", "10", "--state", "budgets.tune", "-o", "none.ig", status=3)
    check(not said["met"] and "chosen" not in said and len(said["front"]) > 1, "an impossible budget")
    check(not (f.path / "none.ig").exists(), "a block was written though no mix meets the budget")
    text = f.run(*TUNE, "--max-bytes", "10", "--state", "budgets.tune").stdout
    check("no mix meets it" in text, f"text of an impossible budget: {text}")


def test_time(f):
    said = tune(f, "--max-latency", "150%", "--steps", "3", "--state", "time.tune", "-o", "time.ig")
    check(tune(f, "--max-latency", "150%", "--steps", "3", "--state", "time.tune") == said, "a finished state is measured again")
    check(said["cost"] == "time" and said["met"] and said["chosen"]["ms"] <= said["budget"]["ms"], f"latency {said['budget']} {said.get('chosen')}")
    check(all(x["us"] > 0 and x["file"] == "model.ig" and x["line"] > 0 for x in said["alone"]), "layers without time or line")
    check(" us" in (f.path / "time.ig").read_text(), "the block says no times")
    said = tune(f, "--max-latency", "1us", "--max-loss", "0%", "--max-bytes", "1", "--steps", "1", status=3)
    check(said["budget"] == {"loss": 0, "ms": 0.001, "bytes": 1}, f"budgets {said['budget']}")


def test_resumed(f):
    """Killed at any moment, the state is whole, and the run that goes on from it says what the undisturbed one says."""
    whole = tune(f, "--state", "whole.tune", "-o", "whole.ig")
    want = (f.path / "whole.tune").read_bytes()
    for points in (0, 4):
        state = f.path / "cut.tune"
        state.unlink(missing_ok=True)
        run = subprocess.Popen([f.program, *TUNE, "--steps", "7", "--state", "cut.tune", "-o", "cut.ig"], cwd=f.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None and not (state.exists() and len(json.loads(state.read_text())["points"]) >= points):
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        found = len(json.loads(state.read_text())["points"])
        said = tune(f, "--state", "cut.tune", "-o", "cut.ig")
        check(said == whole, f"resumed after {found} mixes: another result")
        check((f.path / "cut.ig").read_bytes() == (f.path / "whole.ig").read_bytes(), "resumed: another block")
        check(state.read_bytes() == want, "resumed: another state")
    said = tune(f, "--state", "whole.tune", "--max-bytes", "8K")
    check(said["chosen"]["bytes"] <= 8 << 10, "another budget with the same state")


def test_interpreted(f):
    """Targets that this CPU does not run: the same figures from the interpreter, the bytes of that target's object."""
    said = {t: tune(f, "--target", t, "--front", "elsewhere", "--steps", "2") for t in ("native", "aarch64-dotprod")}
    points = [{json.dumps(p["layers"]): p for p in [*x["front"], x["chosen"]]} for x in said.values()]
    both = [(points[0][k], points[1][k]) for k in points[0] if k in points[1]]
    same = all(a["sqnr_db"] == b["sqnr_db"] and a["agreement"] == b["agreement"] for a, b in both)
    check(len(both) >= 2 and same, f"{len(both)} mixes of both targets, figures {'the same' if same else 'differ'}")
    made = f.run("compile", "model.ig", "--calibration", "digits.state", "--qconfig", "elsewhere/02.ig", "--target", "aarch64-dotprod", "-o", "made", "--json")
    check(json.loads(made.stdout)["weight_bytes"] == said["aarch64-dotprod"]["front"][1]["bytes"], "bytes of another target")


def test_foreign(f):
    """A state of other samples, other candidates, another calibration; one with a digit changed, one cut short."""
    state = f.path / "whole.tune"
    tune(f, "--state", "whole.tune", "--steps", "2")
    kept = state.read_bytes()
    for options in (("--samples", "0:119"), ("--precisions", "bfloat16"), ("--alone-samples", "19"), ("--metric", "top1"), ("--calibration", "calib.npy")):
        done = f.run(*(x for x in TUNE if "--samples" not in options or x not in ("--samples", "0:120")), *options, "--state", "whole.tune")
        check(done.returncode in (1, 2) and (done.returncode == 2 or "another model" in done.stderr or "given twice" in done.stderr), f"{options}: {done.stderr}")
    at = kept.index(b'"noise": 0.0') + 12
    for name, text in (("changed", kept[:at] + (b"1" if kept[at:at + 1] != b"1" else b"2") + kept[at + 1:]), ("cut", kept[:-20])):
        state.write_bytes(text)
        done = f.run(*TUNE, "--state", "whole.tune")
        check(done.returncode == 1 and "is damaged" in done.stderr, f"{name}: {done.stderr}")
        check(state.read_bytes() == text, f"{name}: the file was written to")


def test_rules(f):
    """What the model's own rules say of single layers stays; `recover` too; the default is int8's configuration."""
    (f.path / "rules.ig").write_text('quantize {\n  recover equalize\n  default static(activations: minmax)\n  layer "conv1" skip\n}\n')
    done = f.run("tune", "model.ig", "--calibration", "calib.npy", *DATA[2:], "--qconfig", "rules.ig", "--precisions", "int8,w8a16,dynamic", "--max-bytes", "11K", "-o", "ruled.ig", "--steps", "4", "--json")
    if not check(done.returncode == 0, f"rules: {done.stderr}"):
        return
    text = (f.path / "ruled.ig").read_text()
    check("recover equalize\n" in text and '  layer "conv1" skip\n' in text and "default static(activations: minmax)\n" in text, f"rules of the model: {text}")
    check("w8a16" in text or "dynamic" in text, f"11K allow more than int8: {text}")
    said, point = json.loads(f.run("eval", "model.ig", "--calibration", "calib.npy", *DATA[2:], "--qconfig", "ruled.ig", "--json").stdout), json.loads(done.stdout)["chosen"]
    check(said["sqnr_db"] == point["sqnr_db"] and "conv1" not in point["layers"], f"{said['sqnr_db']} dB, tune said {point['sqnr_db']}")


def main():
    args = arguments(__doc__)
    with Folder(args.intaglio, args.source) as f:
        probe = f.run("run", "model.ig", "--data", "test.npy", "--sample", "0", "--calibration", "digits.state", "--engine", "native", "--quiet")
        if probe.returncode:
            print("SKIP: the native engine does not run on this CPU [cpu]")
            return 77
        for name, fn in [(n, x) for n, x in globals().items() if n.startswith("test_")]:
            if args.names and name not in args.names:
                continue
            before, start = len(failures), time.time()
            fn(f)
            print(f"{name}: {'ok' if len(failures) == before else 'FAILED'} ({time.time() - start:.1f} s)")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
