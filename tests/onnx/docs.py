#!/usr/bin/env python3
"""The table of operators in docs/onnx.md is onnx/ops.def's. docs.py [--rewrite]"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- table:", "<!-- end of table -->"


def rows():
    for line in (ROOT / "onnx" / "ops.def").read_text().splitlines():
        found = re.match(r'[NU]\("(\w+)", "([\w.]*)", (\d+), (\d+), .*"(.*)"\)$', line)
        if found:
            yield found.groups()
        elif re.match(r"[NU]\(\"", line):
            sys.exit(f"this row is not understood: {line}")


def table():
    out = ["| operator | domain | opset | restrictions |", "| --- | --- | --- | --- |"]
    out += [f"| {op} | {domain} | {first}..{last} | {note} |" for op, domain, first, last, note in sorted(rows(), key=lambda r: (r[1], r[0], int(r[2])))]
    return "\n".join(out) + "\n"


def main():
    path = ROOT / "docs" / "onnx.md"
    text = path.read_text()
    begin = text.index("\n", text.index(BEGIN)) + 1
    new = text[:begin] + table() + text[text.index(END):]
    if "--rewrite" in sys.argv[1:]:
        path.write_text(new)
    elif new != text:
        sys.exit("docs/onnx.md: the table of operators is not onnx/ops.def's; tests/onnx/docs.py --rewrite brings it up to date")
    print(f"{len(list(rows()))} rows")


main()
