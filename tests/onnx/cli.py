#!/usr/bin/env python3
"""ONNX files on the command line: --dim, every command that takes a model, errors with their exit status. cli.py INTAGLIO"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
import models  # noqa: E402

failed = 0


def expect(status, words, *command):
    global failed
    r = subprocess.run([sys.argv[1], *map(str, command)], capture_output=True, text=True)
    text = r.stdout + r.stderr
    if r.returncode != status or any(w not in text for w in words):
        failed += 1
        print(f"FAILED: {' '.join(map(str, command))}: exit status {r.returncode}, expected {status} and {words}:\n{text[:2000]}")


def main():
    data = models.data_folder()
    model, calib, test = data / "kws" / "model.onnx", data / "kws" / "calib.npy", data / "kws" / "test.npy"
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        expect(0, ["f32[1, 1, 49, 10]"], "inspect", model)
        expect(0, ["f32[3, 1, 49, 10]"], "inspect", model, "--dim", "N=3")
        expect(1, ["--dim Q: no input has a dimension of that name"], "inspect", model, "--dim", "Q=3")
        for wrong in ("N", "=3", "N=0", "N=x", "N=-1", "N=99999999999"):
            expect(2, ["--dim takes NAME=N"], "inspect", model, "--dim", wrong)
        expect(1, ["--dim is for ONNX models"], "inspect", models.MODELS[0].path, "--dim", "N=1")
        expect(1, ["cannot read the file"], "inspect", tmp / "none.onnx")
        (tmp / "rules.ig").write_text("quantize {\n  default dynamic(activations: minmax(u8, reduce_range))\n}\n")
        expect(1, ["layer 'conv0': ONNX quantizes at run time to 0..255", "layer 'fc': ONNX"], "export", models.MODELS[0].path, "--qconfig", tmp / "rules.ig", "-o", tmp / "x.onnx")
        (tmp / "empty.onnx").write_bytes(b"")
        expect(1, ["the file is empty"], "inspect", tmp / "empty.onnx")
        (tmp / "cut.onnx").write_bytes(model.read_bytes()[:5000])
        expect(1, ["a field longer than what holds it"], "inspect", tmp / "cut.onnx")
        (tmp / "text.onnx").write_text("model m(x: f32[1]) -> (y: f32[1]) { y = relu(x) }\n")
        expect(1, ["no ONNX model"], "inspect", tmp / "text.onnx")
        expect(0, [], "calibrate", model, calib, "--samples", "0:10", "-o", tmp / "s", "--quiet")
        expect(0, ["agreement"], "eval", model, "--calibration", tmp / "s", "--data", test, "--samples", "0:20", "--quiet", "--max-loss", "100%")
        expect(0, [], "compare", model, "--calibration", tmp / "s", "--data", test, "--samples", "0:5", "--quiet")
        expect(0, [], "compile", model, "--calibration", tmp / "s", "-o", tmp / "kws", "--quiet")
        expect(0, ["kws"], "inspect", tmp / "kws.o")
        expect(0, ["sample 0"], "run", model, "--calibration", tmp / "s", "--data", test, "--sample", "0")
        expect(0, [], "bench", model, "--calibration", tmp / "s", "--calls", "30", "--quiet")
    print(f"{failed} failures")
    return 1 if failed else 0


sys.exit(main())
