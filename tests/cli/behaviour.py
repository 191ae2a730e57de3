#!/usr/bin/env python3
"""What commands promise beyond their text: the same bytes everywhere, all files or none, valid JSON, engines and threads that agree, exit status.

behaviour.py --intaglio PROGRAM --source FOLDER [NAME...]"""
import ast
import itertools
import json
import math
import os
import pathlib
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

from common import Folder, arguments, write_npy

STATE = ("--calibration", "digits.state")
TARGETS = ("x86-64-v3", "x86-64-avx512vnni", "aarch64-dotprod")
args = None
failures = []
skipped = set()


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)
    return condition


def good(done, what, status=0):
    return check(done.returncode == status, f"{what}: exit status {done.returncode}, not {status}: {done.stderr}")


def npy(path):
    """(type, shape, bytes) of a .npy file or of its bytes."""
    data = path.read_bytes() if isinstance(path, pathlib.Path) else path
    assert data[:6] == b"\x93NUMPY", "no .npy"
    n = struct.unpack("<H", data[8:10])[0]
    head = ast.literal_eval(data[10 : 10 + n].decode())
    return head["descr"], head["shape"], data[10 + n :]


def runs_native(f):
    done = f.run("run", "model.ig", "--data", "test.npy", "--sample", "0", *STATE, "--engine", "native", "--quiet")
    if done.returncode:
        skipped.add("the native engine does not run on this CPU [cpu]")
    return done.returncode == 0


# ---- quantize-tensor ----


def test_quantize_tensor(f):
    """Integers, scales and zero points, and the numbers they stand for, agree in all files; errors are those of the files."""
    x = [math.sin(i * i) * (1 + i % 5) for i in range(4 * 10 * 3)]
    x = struct.unpack(f"<{len(x)}f", struct.pack(f"<{len(x)}f", *x))
    write_npy(f.path / "x.npy", "<f4", (4, 10, 3), struct.pack(f"<{len(x)}f", *x))
    limits = {"u8": ("|u1", "B", 0, 255), "s8": ("|i1", "b", -128, 127), "s16": ("<i2", "h", -32768, 32767), "s4": ("|i1", "b", -8, 7)}
    for dtype, scheme, axis in itertools.product(limits, ("affine", "symmetric", "power_of_two"), (None, 0, 1, 2)):
        what = f"quantize-tensor {dtype} {scheme} {axis}"
        channel = () if axis is None else ("--per-channel", str(axis))
        done = f.run("quantize-tensor", "x.npy", "--dtype", dtype, "--scheme", scheme, *channel, "-o", "q.npz", "--dequantized", "d.npy", "--json")
        if not good(done, what):
            continue
        said, descr, (lo, hi) = json.loads(done.stdout), limits[dtype][0], limits[dtype][2:]
        with zipfile.ZipFile(f.path / "q.npz") as z:
            parts = {name: npy(z.read(name + ".npy")) for name in ("quantized", "scale", "zero_point", "dequantized")}
        check(parts["quantized"][:2] == (descr, (4, 10, 3)) and parts["scale"][1] == (() if axis is None else ((4, 10, 3)[axis],)), f"{what}: shapes")
        check(npy(f.path / "d.npy") == parts["dequantized"], f"{what}: the two files of dequantized numbers differ")
        q = struct.unpack(f"<{len(x)}{limits[dtype][1]}", parts["quantized"][2])
        scale = struct.unpack(f"<{len(parts['scale'][2]) // 4}f", parts["scale"][2])
        zero = struct.unpack(f"<{len(scale)}i", parts["zero_point"][2])
        y = struct.unpack(f"<{len(x)}f", parts["dequantized"][2])
        of = [{None: 0, 0: i // 30, 1: i // 3 % 10, 2: i % 3}[axis] for i in range(len(x))]
        check(min(q) >= lo and max(q) <= hi, f"{what}: limits")
        check(all(abs((q[i] - zero[c]) * scale[c] - y[i]) <= 1e-6 * (abs(y[i]) + scale[c]) for i, c in enumerate(of)), f"{what}: dequantized")
        beyond = [max(lo - zero[c] - x[i] / scale[c], x[i] / scale[c] - hi + zero[c]) - 0.5 for i, c in enumerate(of)]  # steps; float32 has less than 0.01 of doubt
        check(all(abs(y[i] - x[i]) <= 0.51 * scale[c] for i, c in enumerate(of) if beyond[i] < 0), f"{what}: half a step")
        least, most = (sum(b > doubt for b in beyond) / len(x) for doubt in (0.01, -0.01))
        check(least - 1e-6 <= said["saturated"] <= most + 1e-6, f"{what}: saturated {said['saturated']}, not {least} to {most}")
        check(abs(said["mse"] - sum((b - a) ** 2 for a, b in zip(x, y)) / len(x)) < 1e-8 * (1 + said["mse"]), f"{what}: mse")
        check([p["scale"] for p in said["parameters"]] == [float(f"{s:.9g}") for s in scale], f"{what}: scales")
        if scheme == "power_of_two":
            check(all(math.frexp(s)[0] == 0.5 for s in scale), f"{what}: powers of two")
    done = f.run("quantize-tensor", "x.npy", "--per-channel", "0", "--group", "8", "-o", "q.npz", "--json")
    if good(done, "quantize-tensor --group"):
        for p in json.loads(done.stdout)["parameters"]:
            part = x[p["channel"] * 30 :][p["group"] * 8 : min(30, p["group"] * 8 + 8)]
            check((p["min"], p["max"]) == tuple(float(f"{v:.9g}") for v in (min(part), max(part))), f"quantize-tensor --group: {p}")
    for name in ("x.npy", "q.npz", "d.npy"):
        (f.path / name).unlink()


# ---- report ----

HOSTILE = "</script><img src=x>&amp;'"


def float_model(f, folder):
    """The example with a float input, its layer and its file named to break pages; calibration data and samples for it."""
    folder.mkdir()
    text = (f.path / "model.ig").read_text().replace("image: u8[1, 1, 8, 8] nhwc", "image: f32[1, 1, 8, 8]").replace("conv2d(x, filters: 16", "conv2d(image, filters: 16")
    text = text.replace("  x = normalize(image, scale: 16)\n", "").replace("softmax(fc)", f'softmax(fc, name: "{HOSTILE}")')
    (folder / "a <b> & c.ig").write_text(text)
    shutil.copyfile(f.path / "weights.safetensors", folder / "weights.safetensors")
    for name in ("calib", "test"):
        _, shape, data = npy(f.path / f"{name}.npy")
        write_npy(folder / f"{name}.npy", "|u1", (shape[0], 1, 8, 8), data)


def shown_by_browser(page):
    """The page's document after its script has run and what the console said, or None without a browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        skipped.add("the report is not opened in a browser: there is no chromium [chromium]")
        return None
    with tempfile.TemporaryDirectory() as home:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}", "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, env={**os.environ, "HOME": home})
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def page_data(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def check_report(f, data, samples):
    eval_ = f.run("eval", "model.ig", *STATE, "--data", "test.npy", "--labels", "test_labels.npy", "--samples", samples, "--engine", "float,reference,native", "--json")
    compare = f.run("compare", "model.ig", *STATE, "--data", "test.npy", "--samples", samples, "--json")
    memory = f.run("inspect", "model.ig", *STATE, "--memory", "--json")
    for part, done in (("eval", eval_), ("compare", compare), ("memory", memory)):
        check(data[part] == json.loads(done.stdout), f"report: {part} is not what the command says")
    check([c["name"] for c in data["checklist"]] == ["Accuracy", "Same bytes", "Speed", "Calibration", "Edge cases", "Rollback"], f"report: checklist {data['checklist']}")
    state = {v["name"]: v for v in json.loads(f.run("inspect", "digits.state", "--json").stdout)["values"]}
    check({v["name"] for v in data["values"]} == set(state), "report: values are not those of the state")
    for v in data["values"]:
        of = state[v["name"]]
        check((v["elements"], v["min"], v["max"]) == (of["elements"], of["min"], of["max"]) and sum(v["bars"]) == v["elements"], f"report: histogram of {v['name']}")
        inside = "clipped" not in v or 0 <= v["clipped"] < 0.05 and abs(v["high"] - v["low"] - 255 * v["scale"]) < 1e-5 * (v["high"] - v["low"])
        check(inside, f"report: range of {v['name']}")
    for w in data["weights"]:
        check(len(w["channels"]) == w["shape"][0] and all(-128.5 * s <= lo <= 0 <= hi <= 127.5 * s for _, lo, hi, s in w["channels"]), f"report: weights of {w['layer']}")


def test_report(f):
    """The page holds what the JSON has, and that what the other commands say; the same bytes again; no file is left; it shows without an error."""
    if not runs_native(f):
        return
    temp = f.path / "temp"
    temp.mkdir()
    env = {**os.environ, "TMPDIR": str(temp)}
    command = ("report", "model.ig", *STATE, "--data", "test.npy", "--labels", "test_labels.npy", "--samples", "0:100")
    pages, said = [], []
    for i, jobs in enumerate("12"):
        done = f.run(*command, "-o", f"page{i}.html", "--json", "--jobs", jobs, env=env)
        if not good(done, "report"):
            return
        pages.append((f.path / f"page{i}.html").read_text())
        said.append(json.loads(done.stdout))
    check(pages[0] == pages[1] and said[0] == said[1], "report: two runs differ")
    check(page_data(pages[0]) == said[0], "report: the page and the JSON differ")
    check(not re.search(r"https?://(?!www\.w3\.org/)|src=|@import|url\(", pages[0]), "report: the page loads something")
    check(str(temp) not in pages[0] and not list(temp.iterdir()), "report: temporary files")
    check_report(f, said[0], "0:100")
    (f.path / "recover.ig").write_text("quantize {\n  recover bias_correction\n}\n")
    done = f.run("report", "model.ig", "--qconfig", "recover.ig", "--calibration", "calib.npy", "--data", "test.npy", "--samples", "0:20", "--json", "-q")
    if good(done, "report of a model with recover"):
        check([r["method"] for r in json.loads(done.stdout)["quantized"]["recover"]] == ["bias_correction"], "report: what recover changed")
    shown = shown_by_browser(f.path / "page0.html")
    if shown:
        check(not shown[1], f"report: the console says {shown[1]}")
        check(all(f'<section id="{i}">' in shown[0] for i in ("checklist", "accuracy", "layers", "precision", "ranges", "weights", "memory", "edges")), "report: a section is missing")
        check(shown[0].count("<svg") == 2 + len(said[0]["values"]) + len(said[0]["weights"]), "report: a drawing is missing")
    for i in "01":
        (f.path / f"page{i}.html").unlink()
    temp.rmdir()


def test_report_hostile(f):
    """Names cannot break the page; NaN and infinities of a float input are answered; wrong runs leave no page."""
    if not runs_native(f):
        return
    folder = f.path / "hostile"
    float_model(f, folder)
    done = f.run("report", "a <b> & c.ig", "--calibration", "calib.npy", "--data", "test.npy", "--samples", "0:50", "-o", "page.html", "--quiet", cwd=folder)
    if good(done, "report of hostile names"):
        page = (folder / "page.html").read_text()
        data = page_data(page)
        check(HOSTILE not in page and HOSTILE in [layer["name"] for layer in data["compare"]["layers"]], "report: a name is in the page as it is")
        cases = {c["input"]: c for c in data["edges"]}
        check(set(cases) >= {"zeros", "NaN", "infinity", "-infinity", "lowest of the type"} and all(c["native_same"] for c in data["edges"]), f"report: edge cases {cases}")
        check(cases["NaN"]["float"]["nonfinite"] > 0 and cases["NaN"]["quantized"]["nonfinite"] == 0 and cases["zeros"]["float"]["nonfinite"] == 0, f"report: edge cases {cases}")
        shown = shown_by_browser(folder / "page.html")
        if shown:
            check(not shown[1] and "<img" not in shown[0].split("<script")[0], f"report: a name became an element: {shown[1]}")
    before = sorted(p.name for p in folder.iterdir())
    done = f.run("report", "a <b> & c.ig", "--data", "test.npy", "-o", "other.html", cwd=folder)
    check(done.returncode == 1 and "needs calibration" in done.stderr and sorted(p.name for p in folder.iterdir()) == before, f"report without calibration: {done.stderr}")
    shutil.rmtree(folder)


# ---- compile ----

EMIT = ("--emit", "obj,header,c,asm,llvm,ir,dot,kir")


def built(f, folder, *command, **more):
    """Bytes of all files of a compile into `folder`."""
    folder.mkdir()
    done = f.run("compile", *command, "-o", str(folder / "net"), **more)
    good(done, f"compile {command}")
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    shutil.rmtree(folder)
    return files


def test_same_files_anywhere(f):
    """Another folder, environment, CPU count, user, place of the model: the same bytes."""
    for target in TARGETS:
        options = (*STATE, "--target", target, *EMIT)
        want = built(f, f.path / "a", "model.ig", *options)
        check(set(want) == {"net." + e for e in "o h c s ll ir ir.safetensors dot kir".split()}, f"{target}: files {sorted(want)}")
        check(not any(str(f.path).encode() in data for data in want.values()), f"{target}: a path is in a file")
        env = {"HOME": "/", "LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1"}
        with tempfile.TemporaryDirectory() as elsewhere:
            other = pathlib.Path(elsewhere) / "copy"
            shutil.copytree(f.path, other)
            state = ("--calibration", str(other / "digits.state"), "--target", target, *EMIT)
            variants = {
                "environment": built(f, f.path / "b", "model.ig", *options, env=env),
                "folder": built(f, f.path / "c", str(other / "model.ig"), *state, cwd="/"),
                "one CPU": built(f, f.path / "d", "model.ig", *options, preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})),
                "verified": built(f, f.path / "e", "model.ig", *options, "--verify"),
                "data instead of its state": built(f, f.path / "f", "model.ig", "--calibration", "calib.npy", "--target", target, *EMIT),
            }
            if os.getuid() == 0:
                os.chmod(elsewhere, 0o755)
                os.chmod(other, 0o755)
                made = other / "made"
                made.mkdir()
                os.chmod(made, 0o777)
                program = pathlib.Path(f.program)
                if all(p.stat().st_mode & 1 for p in (program, *program.parents)):
                    done = subprocess.run([f.program, "compile", str(other / "model.ig"), *state, "-o", str(made / "net")], cwd="/", capture_output=True, text=True, user=65534)
                    good(done, "compile as another user")
                    variants["user"] = {p.name: p.read_bytes() for p in made.iterdir()}
        for name, files in variants.items():
            for file in want:
                check(files.get(file) == want[file], f"{target}: {file} differs with another {name}")


def test_tune(f):
    """What is measured once is not measured again, gives the same object on any CPU, and the same results."""
    if not runs_native(f):
        return
    tuned = f.run("compile", "model.ig", *STATE, "--tune", "s.txt", "--tune-seconds", "1", "-o", "tuned/net", "--json")
    check(tuned.returncode == 1 and not (f.path / "s.txt").exists(), "a missing folder is told before anything is measured")
    (f.path / "tuned").mkdir()
    tuned = f.run("compile", "model.ig", *STATE, "--tune", "s.txt", "--tune-seconds", "1", "-o", "tuned/net", "--json")
    if not good(tuned, "compile --tune"):
        return
    text, summary = (f.path / "s.txt").read_text(), json.loads(tuned.stdout)
    lines = text.splitlines()
    check(lines[0] == "intaglio schedules 1" and lines[1:] == sorted(lines[1:]) and len(lines) - 1 == summary["tuned"]["layers"] > 2, f"the file of schedules: {text}")
    again = f.run("compile", "model.ig", *STATE, "--tune", "s.txt", "-o", "tuned/again", "--json")
    good(again, "compile --tune again")
    check("tuned" not in json.loads(again.stdout) and (f.path / "s.txt").read_text() == text, "measured layers are measured again")
    (f.path / "other.txt").write_text("\n".join([lines[0], *(re.sub(" = .*", " = taps pixels 63", line) for line in lines[1:]), ""]))
    refused = f.run("compile", "model.ig", *STATE, "--schedules", "other.txt", "-o", "tuned/other")
    check(refused.returncode == 1 and "other.txt:" in refused.stderr and "this schedule is not possible for layer" in refused.stderr, f"an impossible schedule: {refused.stderr}")
    want = built(f, f.path / "x", "model.ig", *STATE, "--schedules", "s.txt", *EMIT)
    one_cpu = built(f, f.path / "y", "model.ig", *STATE, "--schedules", "s.txt", *EMIT, preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}))
    check(want == one_cpu and want["net.o"] == (f.path / "tuned" / "net.o").read_bytes(), "the same schedules give other files")
    shutil.rmtree(f.path / "tuned")


def test_names(f):
    """-o in its forms, and the prefix of the symbols."""
    options = ("model.ig", *STATE, "--target", "x86-64-v3", "--quiet")
    (f.path / "into").mkdir()
    for given, made, prefix in [
        ("my-net.2", "my-net.2", "my_net_2"), ("out.o", "out", "out"), ("into", "into/digits", "digits"), ("into/", "into/digits", "digits"),
        ("into/7", "into/7", "_7"), (None, "digits", "digits"),
    ]:
        good(f.run("compile", *options, *(["-o", given] if given else [])), f"-o {given}")
        header, obj = f.path / (made + ".h"), f.path / (made + ".o")
        if check(header.exists() and obj.exists(), f"-o {given}: {made}.o and {made}.h are not there"):
            described = json.loads(f.run("inspect", str(obj), "--json").stdout)
            check(f"{prefix}_run(" in header.read_text(), f"-o {given}: no {prefix}_run in the header")
            check(sorted(described["defined"]) == [f"{prefix}_{s}" for s in ("call", "model", "run")], f"-o {given}: symbols {described['defined']}")
            check(described["undefined"] == [], f"-o {given}: undefined {described['undefined']}")
            header.unlink()
            obj.unlink()
    (f.path / "into").rmdir()
    done = f.run("compile", *options, "--emit", "c", "-o", "-")
    check(done.returncode == 0 and "digits_run" in done.stdout, "--emit c -o - does not print C")


def test_all_or_none(f):
    """A failure leaves no file behind and earlier files as they were."""
    options = ("model.ig", *STATE, "--target", "x86-64-v3")
    before = f.names()
    for command, status in [
        (("--max-arena", "16", "-o", "out"), 1), (("-o", "none/out"), 1), (("--emit", "asm", "-o", "/dev/full"), 1), (("--dump-after", "nothing", "-o", "out"), 2),
        (("--stop-after", "convert", "-o", "out"), 0), (("--stop-after", "observe", "-o", "out"), 0),
    ]:
        good(f.run("compile", *options, *command), f"compile {command}", status)
        check(f.names() == before, f"compile {command} left {set(f.names()) - set(before)}")
    (f.path / "out.h").mkdir()
    good(f.run("compile", *options, "-o", "out"), "compile where the header is a folder", 1)
    check(not (f.path / "out.o").exists(), "an object without its header was left")
    (f.path / "out.h").rmdir()

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    (f.path / "out.o").write_text("old")
    (f.path / "out.h").write_text("old")
    done = f.run("compile", *options, "-o", "out", preexec_fn=no_room)
    good(done, "compile with no room for the object", 1)
    check((f.path / "out.o").read_text() == "old" and (f.path / "out.h").read_text() == "old", "an older file was harmed")
    (f.path / "out.o").unlink()
    (f.path / "out.h").unlink()
    check(f.names() == before, f"left behind: {set(f.names()) - set(before)}")
    for command in (("inspect", "model.ig"), ("inspect", "model.ig", "--json"), ("help",), ("compile", *options, "--emit", "dot", "--dump-after", "convert"),
                    ("eval", "model.ig", "--engine", "float", "--data", "test.npy", "--samples", "0:1"), ("run", "model.ig", "--engine", "float", "--data", "test.npy")):
        with open("/dev/full", "w") as full:
            good(f.run(*command, stdout=full), f"{command} to a full standard output", 1)
    for p in f.path.glob("digits.*"):
        if p.name != "digits.state":
            p.unlink()


def test_killed(f):
    """A command that a signal ends leaves nothing behind and earlier files as they were, or has finished."""
    try:
        os.close(os.open(f.path, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        skipped.add("this file system has no nameless files [fs]")
        return
    commands = {
        ("compile", "model.ig", *STATE, "--target", "x86-64-v3", "--emit", "obj,header,ir", "-o", "out"): {"out.o", "out.h", "out.ir", "out.ir.safetensors"},
        ("calibrate", "model.ig", "calib.npy", "-o", "out.state"): {"out.state"},
        ("run", "model.ig", *STATE, "--data", "test.npy", "-o", "out.npy"): {"out.npy"},
        ("run", "model.ig", *STATE, "--data", "test.npy", "-o", "out.npz"): {"out.npz"},
    }
    before = set(f.names())

    def little_room():  # the signal of a file that grows too large ends the program in the middle of writing
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    for command, files in commands.items():
        for name in files:
            (f.path / name).write_text("old")
        done = f.run(*command, preexec_fn=little_room)
        good(done, f"{command[0]} ended while it writes", -signal.SIGXFSZ)
        if len(files) == 1:
            check(set(f.names()) == before | files, f"{command[0]} ended while it writes left {set(f.names()) - before - files}")
        check(any((f.path / name).read_text(errors="replace") == "old" for name in files), f"{command[0]} harmed earlier files")
        for name in set(f.names()) - before:
            (f.path / name).unlink()
        start = time.monotonic()
        good(f.run(*command, "--quiet"), f"{command}")
        whole, elapsed = {name: (f.path / name).read_bytes() for name in files}, time.monotonic() - start
        for name in files:
            (f.path / name).unlink()
        for i, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP) * 2):
            child = subprocess.Popen([f.program, *command, "--quiet"], cwd=f.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            time.sleep(elapsed * (0.7 + 0.1 * i))
            child.send_signal(number)
            child.wait(60)
            left = set(f.names()) - before
            check(left in (files, set()), f"{command[0]} ended by {number.name} left {left - files}")
            check(all((f.path / name).read_bytes() == whole[name] for name in left & files), f"{command[0]} ended by {number.name} left a file that is not whole")
            for name in left:
                (f.path / name).unlink()


def test_summary(f):
    """The figures of compile --json are those of the header, the object and the memory plan."""
    for target in TARGETS:
        done = f.run("compile", "model.ig", *STATE, "--target", target, "-o", "sum", "--json")
        if not good(done, target):
            continue
        said = json.loads(done.stdout)
        header = (f.path / "sum.h").read_text()
        described = json.loads(f.run("inspect", "sum.o", "--json").stdout)
        model = described["models"][0]
        check(f"#define SUM_ARENA_BYTES {said['arena_bytes']}u" in header, f"{target}: the header has another arena")
        check(model["arena_bytes"] == said["arena_bytes"] and model["target"] == target and model["name"] == "sum", f"{target}: descriptor {model}")
        check([(i["name"], i["type"], i["shape"], i["nhwc"], i["bytes"]) for i in model["inputs"]] == [("image", "u8", [1, 1, 8, 8], True, 64)], f"{target}: {model['inputs']}")
        check([(i["name"], i["type"], i["shape"], i["bytes"]) for i in model["outputs"]] == [("probs", "f32", [1, 10], 40)], f"{target}: {model['outputs']}")
        check(said["data_bytes"] == 0, f"{target}: writable data")
        check(0 < said["stack_bytes"] < 65536, f"{target}: stack {said['stack_bytes']}")
        done = f.run("compile", "model.ig", *STATE, "--target", target, "-o", "sum", "--max-arena", str(said["arena_bytes"]))
        good(done, f"{target}: --max-arena of just the arena")
        done = f.run("compile", "model.ig", *STATE, "--target", target, "-o", "sum", "--max-arena", str(said["arena_bytes"] - 1))
        good(done, f"{target}: --max-arena of one byte less", 1)
        done = f.run("compile", "model.ig", *STATE, "--target", target, "-o", "sum", "--weight-section", ".my_weights", "--quiet")
        sections = {s["name"]: s["bytes"] for s in json.loads(f.run("inspect", "sum.o", "--json").stdout)["sections"]}
        check(sections.get(".my_weights") == said["weight_bytes"] and done.stdout == "", f"{target}: sections {sections}, weights {said['weight_bytes']}")
    for name in ("sum.o", "sum.h"):
        (f.path / name).unlink()


def test_memory_plan(f):
    """No two buffers of the drawn plan overlap while both live; keep needs more."""
    for target in TARGETS:
        plan = json.loads(f.run("inspect", "model.ig", *STATE, "--memory", "--target", target, "--json").stdout)
        buffers = plan["buffers"]
        for a, b in itertools.combinations(buffers, 2):
            apart = a["last"] < b["first"] or b["last"] < a["first"] or a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
            check(apart, f"{target}: {a['name']} and {b['name']} overlap")
        end = max(b["offset"] + b["bytes"] for b in buffers)
        check(end <= plan["arena_bytes"] < end + 64, f"{target}: buffers end at {end}, the arena at {plan['arena_bytes']}")
        check(max(x["live_bytes"] for x in plan["functions"]) <= plan["arena_bytes"], f"{target}: more is live than fits")
        text = f.run("inspect", "model.ig", *STATE, "--memory", "--target", target).stdout
        check(all(b["name"] in text for b in buffers), f"{target}: a buffer is not in the drawing")


BLOCKS = """weights "blocks.safetensors"
block inverted(x, wide, filters, stride) {
  e = conv2d(x, filters: wide, kernel: 1, bias: false)
  d = depthwise_conv2d(relu6(e), kernel: 3, stride: stride, pad: 1, bias: false)
  p = conv2d(relu6(d), filters: filters, kernel: 1, bias: false)
  return p
}
model blocks(x: f32[1, 8, 24, 24]) -> (y: f32[1, 16, 12, 12]) {
  a = add(x, inverted(x, wide: 48, filters: 8, stride: 1, name: "one"))
  y = inverted(a, wide: 48, filters: 16, stride: 2, name: "two")
}
quantize { default skip }
"""


def write_blocks(folder):
    header, data, value = {}, b"", 1
    for block, filters in (("one", 8), ("two", 16)):
        for layer, shape in (("e", (48, 8, 1, 1)), ("d", (48, 1, 3, 3)), ("p", (filters, 48, 1, 1))):
            numbers = []
            for _ in range(shape[0] * shape[1] * shape[2] * shape[3]):
                value = value * 1103515245 + 12345 & 0x7FFFFFFF
                numbers.append(value / 0x7FFFFFFF - 0.5)
            header[f"{block}.{layer}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(numbers)]}
            data += struct.pack(f"<{len(numbers)}f", *numbers)
    text = json.dumps(header).encode()
    (folder / "blocks.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "blocks.ig").write_text(BLOCKS)


def test_row_fusion(f):
    """Blocks computed some rows at a time need less memory; --max-arena asks for them."""
    write_blocks(f.path)
    for target in TARGETS:
        arena = {}
        for when in ("never", "auto", "always"):
            done = f.run("compile", "blocks.ig", "--target", target, "--row-fusion", when, "-o", "fused", "--json")
            if good(done, f"{target} --row-fusion {when}"):
                arena[when] = json.loads(done.stdout)["arena_bytes"]
        check(arena["always"] < arena["never"] / 2 and arena["always"] <= arena["auto"] <= arena["never"], f"{target}: arenas {arena}")
        fits = f.run("compile", "blocks.ig", "--target", target, "--max-arena", str(arena["always"]), "-o", "fused", "--json")
        check(good(fits, f"{target} --max-arena") and json.loads(fits.stdout)["arena_bytes"] <= arena["always"], f"{target}: --max-arena does not fuse")
        for more in (("--max-arena", str(arena["always"] - 64)), ("--max-arena", str(arena["always"]), "--row-fusion", "never")):
            good(f.run("compile", "blocks.ig", "--target", target, *more, "-o", "fused"), f"{target} {more}", status=1)
    plan = f.run("inspect", "blocks.ig", "--memory", "--row-fusion", "always", "--target", "x86-64-v3").stdout
    check("one.e.band" in plan and "one.e + one.d + one.p" in plan, f"the memory plan: {plan}")
    good(f.run("compile", "blocks.ig", "--row-fusion", "alway"), "an unknown word", status=2)
    good(f.run("compile", "blocks.ig", "--row-fusion", "always", "--threads", "2"), "with threads", status=2)
    for name in ("blocks.ig", "blocks.safetensors", "fused.o", "fused.h"):
        (f.path / name).unlink()


def test_passes(f):
    """--dump-after on standard output and in files; --stop-after."""
    options = ("compile", "model.ig", *STATE, "--target", "c", "--emit", "dot", "-o", "d", "--quiet")
    good(f.run(*options, "--dump-after", "all", "--dump-dir", "dumps"), "--dump-dir")
    files = sorted(p.name for p in (f.path / "dumps").iterdir())
    passes = [line.split()[0] for line in f.run("help", "passes").stdout.splitlines() if line.startswith("  ")]
    seen = [name.split("-", 1)[1].removesuffix(".ig") for name in files]
    check([s for s in seen if s != "observe"] == passes and "observe" in seen, f"dumps {seen}, passes {passes}")
    for name in ("canonicalize", "fuse", "convert", "observe"):
        printed = f.run(*options, "--dump-after", name).stdout
        dumped = next((f.path / "dumps" / x).read_text() for x in files if x.endswith(f"-{name}.ig"))
        check(printed == dumped and "model digits" in printed, f"--dump-after {name} prints something else than its file")
    shutil.rmtree(f.path / "dumps")
    (f.path / "d.dot").unlink()


# ---- calibrate ----

def test_shards(f):
    """Shards merge to the bytes of one run, in any order; states and data add up on every command line."""
    whole = (f.path / "digits.state").read_bytes()
    cuts = [0, 1, 30, 100, 200]
    shards = []
    for a, b in zip(cuts, cuts[1:]):
        shards.append(f"{a}.state")
        good(f.run("calibrate", "model.ig", "calib.npy", "--samples", f"{a}:{b}", "-o", shards[-1]), "calibrate a shard")
    for order in (shards, shards[::-1], [shards[2], shards[0], shards[3], shards[1]]):
        good(f.run("calibrate", "--merge", *order, "-o", "merged.state"), "merge")
        check((f.path / "merged.state").read_bytes() == whole, f"merge of {order} gives other bytes than one run")
    good(f.run("calibrate", "model.ig", *shards[1:], "0.state", "-o", "merged.state"), "states as data")
    check((f.path / "merged.state").read_bytes() == whole, "states as data give other bytes")
    few = (f.path / "1.state").stat().st_size
    check(abs(few - len(whole)) < max(few, len(whole)), "the state grows with the samples")
    mixed = f.run("compile", "model.ig", *sum((["--calibration", s] for s in shards), []), "--target", "c", "--emit", "ir", "-o", "-").stdout
    check(mixed == f.run("compile", "model.ig", *STATE, "--target", "c", "--emit", "ir", "-o", "-").stdout and mixed, "--calibration of several states")
    for name in shards + ["merged.state"]:
        (f.path / name).unlink()


def test_calibration_engines(f):
    """Compiled or interpreted, on any number of threads: the same state, a moving average's too."""
    (f.path / "average.ig").write_text("quantize {\n  default static(activations: moving_average(averaging: 0.1))\n}\n")
    (f.path / "views.ig").write_text("""model views(x: f32[1, 6, 9, 7]) -> (y: f32[1, 6], z: f32[1, 8, 9, 7]) {
  a = slice(x, starts: [2], ends: [6], axes: [1])
  b = concat(slice(x, starts: [0], ends: [4], axes: [1]), relu(a), axis: 1)
  c = max_pool2d(slice(b, starts: [1, 0], ends: [9, 7], axes: [2, 3], steps: [2, 2]), kernel: 3, stride: 1, pad: 1)
  z = sigmoid(b)
  y = softmax(flatten(global_avg_pool(add(x, relu(x)))))
}
""")
    (f.path / "v").write_bytes(b"".join(struct.pack("<f", (i * 7919 % 1031) / 256 - 2) for i in range(40 * 378)))
    for model in (("model.ig", "calib.npy"), ("model.ig", "calib.npy", "calib.npy", "--qconfig", "average.ig"), ("views.ig", "v:f32")):
        states = {}
        for engine, jobs in itertools.product(("float", *(["native"] if runs_native(f) else [])), ("1", "5")):
            done = f.run("calibrate", *model, "--engine", engine, "-j", jobs, "-o", "some.state")
            good(done, f"calibrate {model} {engine}")
            check("interpreted" not in done.stderr, f"calibrate {model} {engine} does not run compiled code: {done.stderr}")
            states[engine, jobs] = (f.path / "some.state").read_bytes()
        check(len(set(states.values())) == 1, f"calibrate {model} depends on the engine or the number of threads")
    for engine in ("kir", "reference", "float,native"):
        good(f.run("calibrate", "model.ig", "calib.npy", "--engine", engine, "-o", "some.state"), f"calibrate --engine {engine}", 2)
    for name in ("average.ig", "views.ig", "v", "some.state"):
        (f.path / name).unlink()


def test_float_model(f):
    """A model that stays in float needs no calibration, and its engines give the float interpreter's bytes."""
    (f.path / "float.ig").write_text("quantize {\n  default skip\n}\n")
    options = ("model.ig", "--qconfig", "float.ig")
    good(f.run("compile", *options, "--target", "x86-64-v3", "-o", "flt", "--quiet"), "compile a float model")
    for name in ("flt.o", "flt.h"):
        (f.path / name).unlink()
    outputs = {}
    for engine in ("float", "reference", "kir", *(["native"] if runs_native(f) else [])):
        good(f.run("run", *options, "--engine", engine, "--data", "test.npy", "-o", "out.npy"), f"run {engine}")
        outputs[engine] = (f.path / "out.npy").read_bytes()
    check(len(set(outputs.values())) == 1, f"float engines differ: {[k for k in outputs if outputs[k] != outputs['float']]}")
    (f.path / "out.npy").unlink()


def test_quantized_text(f):
    """The quantized graph as text is a model itself: the same outputs, no calibration, no float engine."""
    (f.path / "small.ig").write_text("model small(x: f32[1, 4]) -> (y: f32[1, 4]) {\n  a = relu(x)\n  b = add(a, x)\n  y = softmax(b)\n}\n")
    (f.path / "x").write_bytes(b"".join(struct.pack("<f", (i * 7919 % 257) / 64 - 2) for i in range(800)))
    good(f.run("compile", "small.ig", "--calibration", "x:f32", "--emit", "ir", "-o", "small", "--quiet"), "compile --emit ir")
    want = f.run("run", "small.ig", "--calibration", "x:f32", "--data", "x:f32")
    have = f.run("run", "small.ir", "--data", "x:f32")
    check(want.stdout == have.stdout and want.stdout, "the text of the quantized graph gives other outputs")
    good(f.run("eval", "small.ir", "--data", "x:f32", "--engine", "reference,kir", "--target", "x86-64-v3"), "eval of a quantized graph")
    good(f.run("inspect", "small.ir"), "inspect of a quantized graph")
    for command in (("run", "small.ir", "--data", "x:f32", "--engine", "float"), ("calibrate", "small.ir", "x:f32", "-o", "y.state"), ("compare", "small.ir", "--data", "x:f32")):
        done = f.run(*command)
        check(done.returncode == 1 and "quantized already" in done.stderr, f"{command}: {done.stderr}")
    good(f.run("compile", "model.ig", *STATE, "--emit", "ir,obj", "--target", "x86-64-v3", "-o", "net", "--quiet"), "compile --emit ir,obj")
    want = (f.path / "net.o").read_bytes()
    good(f.run("compile", "net.ir", "--target", "x86-64-v3", "-o", "net", "--quiet"), "compile of a quantized graph")
    check((f.path / "net.o").read_bytes() == want, "the text of the quantized graph gives another object")
    for name in ("small.ig", "small.ir", "small.ir.safetensors", "x", "net.o", "net.h", "net.ir", "net.ir.safetensors"):
        (f.path / name).unlink()


# ---- engines ----

def test_stubs(f):
    """quant and dequant: every engine the same bytes; in a model that stays in float the identity."""
    body = "  h = {0}(tanh({1}(relu({0}(x)))))\n  y = {1}(mul(h, h))\n"
    (f.path / "stubs.ig").write_text("model m(x: f32[1, 6]) -> (y: f32[1, 6]) {\n" + body.format("quant", "dequant") + "}\n")
    (f.path / "plain.ig").write_text("model m(x: f32[1, 6]) -> (y: f32[1, 6]) {\n  h = tanh(relu(x))\n  y = mul(h, h)\n}\n")
    (f.path / "skip.ig").write_text("quantize {\n  default skip\n}\n")
    (f.path / "x").write_bytes(b"".join(struct.pack("<f", (i * 7919 % 257) / 64 - 2) for i in range(1200)))

    def outputs(model, *options):
        good(f.run("run", model, "--data", "x:f32", "-o", "out.npy", "--quiet", *options), f"run {model} {options}")
        return npy(f.path / "out.npy")

    calibrated = ("--calibration", "x:f32")
    native = ["native"] if runs_native(f) else []
    got = [outputs("stubs.ig", *calibrated, "--engine", engine) for engine in ("reference", "kir", *native)]
    check(all(g == got[0] for g in got), "engines differ behind stubs")
    check(got[0] != outputs("plain.ig", *calibrated), "stubs change nothing")
    flt = [outputs(model, "--qconfig", "skip.ig", "--engine", engine) for model in ("stubs.ig", "plain.ig") for engine in ("float", "kir", *native)]
    check(all(g == flt[0] for g in flt), "stubs of a float model are not the identity")
    for name in ("stubs.ig", "plain.ig", "skip.ig", "x", "out.npy"):
        (f.path / name).unlink()


def test_engines_agree(f):
    """Outputs and every stored tensor: reference, kernel IR for each target, native."""
    def dump(engine, *more):
        folder = f.path / "tensors"
        done = f.run("run", "model.ig", *STATE, "--data", "test.npy", "--samples", "0:50", "--engine", engine, "--dump-tensors", "tensors", "-o", "out.npz", *more)
        if not good(done, f"run {engine} {more}"):
            return {}
        found = {p.stem: npy(p) for p in folder.iterdir()}
        shutil.rmtree(folder)
        return found

    want = dump("reference")
    check(want and all(shape[0] == 50 for _, shape, _ in want.values()), "dumped tensors have not 50 samples")
    engines = [("kir", "--target", t) for t in (*TARGETS, "aarch64-neon", "aarch64-i8mm", "x86-64-avxvnni", "c")] + ([("native",)] if runs_native(f) else [])
    for engine in engines:
        have = dump(*engine)
        check(len(have) >= 8, f"{engine}: only {sorted(have)} are stored")
        for name in have:
            check(name in want and have[name] == want[name], f"{engine}: tensor {name} differs from the reference")
    (f.path / "out.npz").unlink()


def test_threads(f):
    """Results do not depend on the number of threads."""
    for command in (("eval", "model.ig", *STATE, "--data", "test.npy", "--labels", "test_labels.npy", "--engine", "float,reference,kir", "--json"),
                    ("compare", "model.ig", *STATE, "--data", "test.npy", "--json"), ("run", "model.ig", *STATE, "--data", "test.npy", "--json")):
        one, seven = (f.run(*command, "-j", n).stdout for n in ("1", "7"))
        check(one == seven and one, f"{command[0]} depends on the number of threads")
    run = ("run", "model.ig", *STATE, "--data", "test.npy", "-o", "o.npy", "--engine")
    good(f.run(*run, "reference"), "reference")
    reference = (f.path / "o.npy").read_bytes()
    for engine in ("native", "kir"):
        for n in ("1", "2", "3", "32"):
            good(f.run(*run, engine, "--threads", n), f"{engine} --threads {n}")
            check((f.path / "o.npy").read_bytes() == reference, f"run --engine {engine} --threads {n} gives other outputs")
    done = f.run(*run, "native", "--threads", "33")
    check(done.returncode == 2 and "--threads is at most 32" in done.stderr, f"--threads 33: {done.stderr}")
    for n in ("1", "2"):
        f.run("compile", "model.ig", *STATE, "--threads", n, "-o", f"split{n}", "-q")
        described = json.loads(f.run("inspect", f"split{n}.o", "--json").stdout)
        check(described["undefined"] == [], f"--threads {n}: undefined {described['undefined']}")
    (f.path / "once").mkdir()
    f.run("compile", "model.ig", *STATE, "-o", "split", "-q")
    f.run("compile", "model.ig", *STATE, "--threads", "1", "-o", "once/split", "-q")
    check((f.path / "split.o").read_bytes() == (f.path / "once/split.o").read_bytes(), "--threads 1 is not what is compiled without it")


def test_outputs(f):
    """run -o: npy and npz hold what is printed."""
    run = ("run", "model.ig", *STATE, "--data", "test.npy", "--samples", "10:13")
    good(f.run(*run, "-o", "o.npy"), "npy")
    good(f.run(*run, "-o", "o.npz"), "npz")
    good(f.run(*run, "-o", "p.npz"), "npz")
    check((f.path / "o.npz").read_bytes() == (f.path / "p.npz").read_bytes(), "equal arrays give different archives")
    dtype, shape, data = npy(f.path / "o.npy")
    check((dtype, shape) == ("<f4", (3, 10)), f"outputs are {dtype} {shape}")
    import zipfile
    with zipfile.ZipFile(f.path / "o.npz") as z:
        check(z.namelist() == ["probs.npy"] and npy(z.read("probs.npy")) == (dtype, shape, data), "the archive holds something else")
    said = json.loads(f.run(*run, "--json").stdout)
    check([s["sample"] for s in said["samples"]] == [10, 11, 12], "sample numbers")
    values = [struct.pack("<f", v) for s in said["samples"] for v in s["outputs"]["probs"]]
    check(b"".join(values) == data, "JSON holds other numbers than the file")
    for name in ("o.npy", "o.npz", "p.npz"):
        (f.path / name).unlink()


def test_eval_json(f):
    """The JSON of eval is the documented object, and counts what run gives."""
    engines = ["float", "reference"] + (["native"] if runs_native(f) else [])
    done = f.run("eval", "model.ig", *STATE, "--data", "test.npy", "--labels", "test_labels.npy", "--engine", ",".join(engines), "--json", "-o", "r.json")
    good(done, "eval")
    said = json.loads((f.path / "r.json").read_text())
    (f.path / "r.json").unlink()
    check(done.stdout == "", "eval -o prints")
    check({"samples", "engines", "agreement", "loss", "verdict"} <= set(said) and list(said["engines"]) == engines, f"keys {list(said)} {list(said['engines'])}")
    labels = npy(f.path / "test_labels.npy")
    size = {"<i8": 8, "<i4": 4, "|u1": 1}[labels[0]]
    label = [int.from_bytes(labels[2][i * size : i * size + size], "little") for i in range(labels[1][0])]
    answers = {}
    for engine in ("float", "reference"):
        out = json.loads(f.run("run", "model.ig", *STATE, "--data", "test.npy", "--engine", engine, "--json").stdout)
        answers[engine] = [max(range(10), key=lambda c: (s["outputs"]["probs"][c], -c)) for s in out["samples"]]
        top1 = sum(a == b for a, b in zip(answers[engine], label)) / len(label)
        check(abs(said["engines"][engine]["top1"] - top1) < 1e-9, f"{engine}: top1 {said['engines'][engine]['top1']}, counted {top1}")
    agree = sum(a == b for a, b in zip(answers["float"], answers["reference"])) / len(label)
    check(abs(said["agreement"] - agree) < 1e-9, f"agreement {said['agreement']}, counted {agree}")
    check(abs(said["loss"] - (said["engines"]["float"]["top1"] - said["engines"]["reference"]["top1"])) < 1e-9, "loss")
    check(said["samples"] == 500 and said["verdict"] == "pass", "samples, verdict")


def test_compare_alone(f):
    """A layer alone is as it is in a model of which only it is quantized; its error is that of weights and activations together."""
    def layers(*options):
        done = f.run("compare", "model.ig", *STATE, "--data", "test.npy", "--json", *options)
        good(done, f"compare {options}")
        return {r["name"]: r for r in json.loads(done.stdout)["layers"]}

    power = lambda db: 0 if db is None else 10 ** (-db / 10)
    whole = layers()
    check(len(whole) == 10 and all(r["line"] > 0 and r["file"] == "model.ig" for r in whole.values()), f"layers {list(whole)}")
    for name in ("conv1", "x"):  # nothing comes before these
        check(whole[name]["alone_sqnr_db"] == whole[name]["sqnr_db"], f"{name} alone is {whole[name]['alone_sqnr_db']}, not {whole[name]['sqnr_db']}")
    for name, r in whole.items():
        parts = power(r["weights_sqnr_db"]) + power(r["activations_sqnr_db"])
        check(0.8 * parts <= power(r["alone_sqnr_db"]) <= 1.25 * parts, f"{name}: alone {r['alone_sqnr_db']} dB of {r['weights_sqnr_db']}, {r['activations_sqnr_db']}")
        check(r["type"] == "f32" or 0 <= r["saturated"] < 0.001, f"{name}: {r['saturated']} saturated")
    (f.path / "only.ig").write_text('quantize {\n  default skip\n  layer "res.conv1" default\n  layer "res.conv2" default\n}\n')
    only = layers("--qconfig", "only.ig")  # the second one, so that the first one's result is quantized
    check(only["res.conv1"]["sqnr_db"] == whole["res.conv1"]["alone_sqnr_db"], f"{only['res.conv1']['sqnr_db']} dB, alone {whole['res.conv1']['alone_sqnr_db']}")
    for name in ("conv1", "pw", "fc"):  # the others compute what the float model computes
        check(only[name]["type"] == "f32" and only[name]["alone_sqnr_db"] is None, f"{name} in float: {only[name]['alone_sqnr_db']} dB")
    check(layers("--jobs", "3") == whole, "compare with other threads")
    (f.path / "only.ig").unlink()


def test_json(f):
    """Every --json is one valid document, and diagnostics are one object a line."""
    good(f.run("compile", "model.ig", *STATE, "--target", "x86-64-v3", "-o", "j", "--quiet"), "compile")
    for command in (("inspect", "model.ig"), ("inspect", "model.ig", *STATE), ("inspect", "model.ig", "--explain", "fc"), ("inspect", "digits.state"),
                    ("inspect", "weights.safetensors"), ("inspect", "calib.npy"), ("inspect", "j.o"), ("calibrate", "model.ig", "calib.npy", "-o", "j.state")):
        done = f.run(*command, "--json")
        if good(done, f"{command}"):
            try:
                json.loads(done.stdout)
            except ValueError as e:
                check(False, f"{command}: {e}")
    model = json.loads(f.run("inspect", "model.ig", "--json").stdout)
    check(model["totals"]["int8_share"] == 1.0 and model["totals"]["macs"] == sum(x["macs"] for x in model["layers"]), f"totals {model['totals']}")
    for name in ("j.o", "j.h", "j.state"):
        (f.path / name).unlink()
    (f.path / "bad.ig").write_text('weights "weights.safetensors"\nmodel m(x: f32[1, 4]) -> (y: f32[1, 4]) {\n  y = rellu(z)\n}\n')
    done = f.run("inspect", "bad.ig", "--json")
    said = [json.loads(line) for line in done.stderr.splitlines()]
    check(done.returncode == 1 and said and all({"severity", "file", "line", "column", "message"} <= set(x) for x in said if x["severity"] == "error"), f"diagnostics {said}")


def test_bench(f):
    """bench: the JSON's promises; layers of all kernels, percentiles in order, fractions that follow from times and limits."""
    done = f.run("bench", "model.ig", *STATE, "--calls", "200", "--json")
    if not good(done, "bench"):
        return
    said = json.loads(done.stdout)
    latency = said["latency_ms"]
    check(0 < latency["min"] <= latency["median"] <= latency["p90"] <= latency["p99"], f"percentiles {latency}")
    macs = json.loads(f.run("inspect", "model.ig", *STATE, "--json").stdout)["totals"]["macs"]
    check(sum(x["macs"] for x in said["layers"]) == macs, f"MACs of layers {sum(x['macs'] for x in said['layers'])}, of the model {macs}")
    check(abs(said["gmacs"] * latency["median"] / macs * 1e6 - 1) < 1e-6, f"gmacs {said['gmacs']}")
    check(said["threads"] == 1 and said["calls"] == 200 and said["cpu"] and said["target"], "cpu, target, threads, calls")
    check(all(abs(x["fraction"] * x["ms"] - x["limit_ms"]) < 1e-6 and x["limit"] in ("dot", "float", "memory") for x in said["layers"]), "limits")
    over = [x["ms"] - x["limit_ms"] for x in said["layers"]]
    check(over == sorted(over, reverse=True), "the worst layers come first")
    check(said["peak"]["dot_gmacs"] > 0 and len(said["peak"]["memory"]) == 4, f"peak {said['peak']}")
    done = f.run("bench", "model.ig", *STATE, "--calls", "30", "--threads", "2", "--json")
    if good(done, "bench --threads 2"):
        said = json.loads(done.stdout)
        check(said["threads"] == 2 and sum(x["macs"] for x in said["layers"]) == macs, f"two threads: {said['threads']}, MACs of the regions")
    lines = f.run("bench", "model.ig", *STATE, "--calls", "30", "--worst", "2").stdout.splitlines()
    rule = next(i for i, line in enumerate(lines) if line.startswith("---"))
    check(lines[rule + 3] == "", f"--worst 2 lists {lines[rule + 1:rule + 4]}")
    done = f.run("bench", "model.ig", *STATE, "--target", "c")
    check(done.returncode == 1 and "choose another --target" in done.stderr, f"bench of target c: {done.stderr}")


def test_manual(f):
    """The manual pages and docs/cli.md know each command and option."""
    reference = (args.source / "docs" / "cli.md").read_text()
    for name in ("compile", "import", "calibrate", "inspect", "eval", "compare", "run", "bench", "quantize-tensor", "report", "tune", "help"):
        page = args.source / "docs" / "man" / f"intaglio-{name}.1"
        text = f.run("help", name, "--man").stdout
        check(page.exists() and page.read_text() == text, f"docs/man/intaglio-{name}.1 is not what 'intaglio help {name} --man' prints")
        check(f"intaglio {name}" in reference, f"docs/cli.md does not know {name}")
        for line in f.run("help", name).stdout.splitlines():
            words = line.split()
            if line.startswith(("  -", "      --")) and words[0] != "-h,":
                option = next(w for w in words if w.startswith("--"))
                check(f"`{option}" in reference, f"docs/cli.md does not know {option} of {name}")


def main():
    global args
    args = arguments(__doc__)
    tests = {name: fn for name, fn in globals().items() if name.startswith("test_")}
    with Folder(args.intaglio, args.source) as f:
        for name, fn in tests.items():
            if args.names and name not in args.names:
                continue
            before = len(failures)
            fn(f)
            print(f"{name}: {'ok' if len(failures) == before else 'FAILED'}")
    for reason in sorted(skipped):
        print("SKIP:", reason)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
