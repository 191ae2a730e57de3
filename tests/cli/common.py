"""Shared by the tests of the command line: a folder with the digits example, and running the program in it."""
import argparse
import pathlib
import shutil
import subprocess
import tempfile

FILES = ["model.ig", "weights.safetensors", "calib.npy", "test.npy", "test_labels.npy"]


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--intaglio", required=True, type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--source", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--rewrite", action="store_true")
    parser.add_argument("names", nargs="*")
    return parser.parse_args()


def write_npy(path, descr, shape, data):
    head = repr({"descr": descr, "fortran_order": False, "shape": shape})
    head += " " * (-(len(head) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + data)


class Folder:
    """A temporary folder with the digits example and a calibration state of it."""

    def __init__(self, program, source):
        self.program = program
        self.temp = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.temp.name)
        for name in FILES:
            shutil.copyfile(source / "examples" / "digits" / name, self.path / name)
        done = self.run("calibrate", "model.ig", "calib.npy", "-o", "digits.state")
        if done.returncode:
            raise SystemExit(f"cannot calibrate the example: {done.stderr}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temp.cleanup()

    def run(self, *command, cwd=None, **more):
        more.setdefault("text", True)
        more.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([self.program, *command], cwd=cwd or self.path, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=600, **more)

    def names(self):
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*"))
